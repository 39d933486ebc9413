/**
 * A message of every type and version whose octets were made without this code (testdata/golden/make.py): they are read as
 * their AVPs say, and the AVPs are written as the same octets.
 */

import assert from "node:assert/strict";
import {
  challengeResponse,
  deriveDigestKey,
  deriveHidingKey,
  sign,
  verify,
} from "./authentication.ts";
import { type AvpName, catalogue } from "./catalogue.ts";
import { emitMessage, parseHeader } from "./header.ts";
import { type AnyMessage, emitBody, type Hiding, messageTypes, parseBody } from "./message.ts";
import type { ProtoVersion } from "../pseudowire.ts";

interface Golden {
  readonly name: string;
  readonly version: ProtoVersion;
  readonly type: string;
  readonly hex: string;
  readonly header: object;
  readonly avps: object;
  readonly others: readonly object[];
  /** The padding of each AVP that is hidden. */
  readonly hidden?: Readonly<Record<string, Uint8Array>>;
  /** The sender's nonce, then the receiver's. */
  readonly nonces?: readonly [Uint8Array, Uint8Array];
}

const file: { secret: string; vector: Uint8Array; messages: readonly Golden[] } = JSON.parse(
  Deno.readTextFileSync(new URL("./testdata/golden/messages.json", import.meta.url)),
  (_, value) =>
    typeof value?.hex === "string" && Object.keys(value).length === 1
      ? fromHex(value.hex)
      : typeof value?.u64 === "string"
      ? BigInt(value.u64)
      : value,
);
const secret = new TextEncoder().encode(file.secret);
const hidingKeys = { 2: secret, 3: deriveHidingKey(secret) };

function fromHex(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

Deno.test("golden messages cover every message type of both versions", () => {
  const types = Object.keys(messageTypes);
  for (const version of [2, 3]) {
    const seen = new Set(
      file.messages.filter((one) => one.version === version).map(({ type }) => type),
    );
    assert.deepEqual(
      types.filter((type) => !seen.has(type)),
      version === 2 ? ["ACK"] : [],
      `version ${version}`,
    );
  }
});

for (const golden of file.messages) {
  Deno.test(`parseBody() and emitBody() agree with the octets of ${golden.name}`, () => {
    const { version, nonces, hidden } = golden;
    const datagram = fromHex(golden.hex);
    const { header, body } = parseHeader(datagram);
    assert.deepEqual(header, golden.header);

    const parsed = parseBody(body, { version, hidingKey: hidingKeys[version] });
    assert.equal(parsed.kind, "message", parsed.kind === "refused" ? parsed.error.message : "");
    if (parsed.kind !== "message") return;
    const { messageType, randomVector, ...avps } = parsed.message.avps;
    assert.equal(messageType, messageTypes[parsed.message.type]);
    assert.deepEqual(randomVector, hidden ? file.vector : undefined);
    assert.equal(parsed.message.type, golden.type);
    assert.deepEqual(avps, golden.avps);
    assert.deepEqual(parsed.message.others, golden.others);

    const message = { ...parsed.message, avps } as AnyMessage;
    const hiding: Hiding | undefined = hidden && {
      key: hidingKeys[version],
      randomVector: file.vector,
      padding: new Map(Object.entries(hidden)) as unknown as Hiding["padding"],
    };
    assert.equal(emitMessage(header, emitBody(message, hiding)).toHex(), golden.hex);

    if (!nonces) return;
    const key = deriveDigestKey(secret);
    assert.equal(verify(datagram, [key], nonces).verdict, "valid");
    const blank = emitMessage(header, emitBody(blanked(message), hiding));
    sign(blank, [key], nonces);
    assert.equal(blank.toHex(), golden.hex);
  });
}

/** The message with a digest of zeros. */
function blanked(message: AnyMessage): AnyMessage {
  const { type, digest } = message.avps.messageDigest!;
  const messageDigest = { type, digest: new Uint8Array(digest.length) };
  return { ...message, avps: { ...message.avps, messageDigest } } as AnyMessage;
}

Deno.test("challengeResponse() is what SCCRP and SCCCN of the golden messages carry", () => {
  const avpsOf = (name: string) =>
    file.messages.find((one) => one.name === name)!.avps as {
      challenge: Uint8Array;
      challengeResponse: Uint8Array;
    };
  const [request, reply, connected] = ["v2 SCCRQ", "v2 SCCRP", "v2 SCCCN"].map(avpsOf);
  assert.deepEqual(
    new Uint8Array(challengeResponse(2, secret, request!.challenge)),
    reply!.challengeResponse,
  );
  assert.deepEqual(
    new Uint8Array(challengeResponse(3, secret, reply!.challenge)),
    connected!.challengeResponse,
  );
});

Deno.test("the M bit of every AVP that golden messages carry is the RFCs'", () => {
  // What the RFCs say of AVPs that must not be mandatory; all others of the golden messages are.
  const optional = new Set<AvpName>([
    "tieBreaker",
    "firmwareRevision",
    "vendorName",
    "preferredLanguage",
    "physicalChannelId",
    "privateGroupId",
    "rxConnectSpeed",
    "txConnectSpeedBps",
    "rxConnectSpeedBps",
    "initialReceivedLcp",
    "lastSentLcp",
    "lastReceivedLcp",
    "proxyAuthenType",
    "proxyAuthenName",
    "proxyAuthenChallenge",
    "proxyAuthenId",
    "proxyAuthenResponse",
  ]);
  for (const { name, avps } of file.messages) {
    for (const avp of Object.keys(avps) as AvpName[]) {
      assert.equal(catalogue[avp].mandatory, !optional.has(avp), `${name}: ${avp}`);
    }
  }
});
