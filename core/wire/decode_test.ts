/** Messages as people read them: the golden ones tell all that they say but their secrets, and no octets throw anything else. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { deriveHidingKey } from "./authentication.ts";
import { decodeMessage, withoutSecrets } from "./decode.ts";
import { parseHeader } from "./header.ts";
import { PeerError } from "../errors.ts";

interface Golden {
  readonly name: string;
  readonly version: 2 | 3;
  readonly type: string;
  readonly hex: string;
  readonly avps: Readonly<Record<string, unknown>>;
  readonly hidden?: Readonly<Record<string, unknown>>;
}

const file: { secret: string; messages: readonly Golden[] } = JSON.parse(
  Deno.readTextFileSync(new URL("./testdata/golden/messages.json", import.meta.url)),
);
const fromHex = (hex: string) => Uint8Array.fromHex(hex);
const secret = new TextEncoder().encode(file.secret);
const keys = { 2: secret, 3: deriveHidingKey(secret) };
const masked = ["challengeResponse", "proxyAuthenResponse"];

Deno.test("decodeMessage() names every AVP of the golden messages, hidden ones too", () => {
  let hidden = 0, secrets = 0;
  for (const { avps, hex, name, type, version } of file.messages) {
    const read = decodeMessage(fromHex(hex), keys[version]);
    assert.equal(read.type, type, name);
    assert.equal(read.problem, undefined, name);
    const named = new Map(read.avps.flatMap((avp) => avp.name ? [[avp.name as string, avp]] : []));
    for (const [avp, value] of Object.entries(avps)) {
      if (avp === "messageType") continue;
      const found = named.get(avp);
      assert.ok(found, `${name}: no ${avp}`);
      assert.equal(found.problem, undefined, `${name}: ${avp}`);
      if (found.hidden) hidden++;
      if (masked.includes(avp)) {
        secrets++;
        assert.equal(found.secret, true, `${name}: ${avp}`);
        assert.equal(found.value, undefined, `${name}: ${avp}`);
      } else if (typeof value !== "object") assert.equal(found.value, value, `${name}: ${avp}`);
      else if (value && "hex" in value) assert.equal(found.value, value.hex, `${name}: ${avp}`);
    }
  }
  assert.ok(hidden >= 6 && secrets >= 3, `${hidden} hidden, ${secrets} secret`);
});

Deno.test("decodeMessage() says why what is hidden cannot be read", () => {
  const one = file.messages.find(({ hidden }) => hidden && Object.keys(hidden).length > 0)!;
  const without = decodeMessage(fromHex(one.hex)).avps.filter(({ hidden }) => hidden);
  assert.ok(without.length > 0);
  for (const { problem, value } of without) {
    assert.equal(problem, "hidden, and no secret is known");
    assert.equal(value, undefined);
  }
});

Deno.test("withoutSecrets() leaves zeros where a secret stood in plain, and nothing else changes", () => {
  let zeroed = 0;
  for (const { hex, name } of file.messages) {
    const was = fromHex(hex);
    const is = withoutSecrets(was);
    assert.equal(is.length, was.length);
    const before = decodeMessage(was).avps, after = decodeMessage(is).avps;
    before.forEach((avp, i) => {
      if (!avp.secret) assert.deepEqual(after[i], avp, name);
    });
    const { body } = parseHeader(was);
    for (const { hidden, secret } of before) {
      if (secret && !hidden) zeroed++;
    }
    if (before.every(({ secret }) => !secret)) assert.deepEqual(is, was, name);
    else assert.notDeepEqual(is.subarray(was.length - body.length), body, name);
  }
  assert.ok(zeroed >= 2, `${zeroed} zeroed`);
});

Deno.test("decodeMessage() and withoutSecrets() throw nothing but PeerError, whatever the octets", () => {
  const messages = file.messages.map(({ hex }) => fromHex(hex));
  fc.assert(fc.property(
    fc.constantFrom(...messages),
    fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }),
    fc.nat(),
    (message, changes, cut) => {
      const octets = Uint8Array.from(message);
      for (const [at, value] of changes) octets[at % octets.length] = value;
      const short = octets.subarray(0, octets.length - cut % 8);
      withoutSecrets(short);
      try {
        decodeMessage(short, secret);
      } catch (error) {
        assert.ok(error instanceof PeerError, String(error));
      }
    },
  ));
});

Deno.test("withoutSecrets() shows nothing of what cannot be told apart: it may hold a secret", () => {
  const password = "70617373"; // "pass", as Proxy Authen Response in an ICCN
  const iccn = (length: string) =>
    Uint8Array.fromHex(
      `c802${length}000100020003000480080000000000 0c000a00000021${password}`.replace(" ", ""),
    );
  for (const length of ["001e", "0040", "001c"]) {
    const shown = withoutSecrets(iccn(length)).toHex();
    assert.match(shown, /0{8}$/, length);
    assert.ok(shown.startsWith(`c802${length}00010002`), shown);
  }
});
