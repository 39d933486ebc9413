/** Every message type of v3, with its digest right, wrong, missing, of other nonces, and replayed (RFC 3931 §5.4.1). */

import assert from "node:assert/strict";
import { deriveDigestKey, sign } from "../../core/wire/authentication.ts";
import { AVP_HEADER } from "../../core/wire/avp.ts";
import { CONTROL_HEADER } from "../../core/wire/header.ts";
import { type MessageType, messageTypes } from "../../core/wire/message.ts";
import { type Netsim, type Node, testSettings } from "../../core/testing.ts";
import { converse, drops, secretOf } from "./support.ts";

const secret = secretOf("correct horse");
const settings = testSettings({ version: 3, secret, helloMs: 20_000 });
const digestAt = CONTROL_HEADER + AVP_HEADER + 2;
const digestAvp = AVP_HEADER + 1 + 16;

/** What is done to a message, and the reason under which it must be dropped. */
const damages: Readonly<Record<string, readonly [(data: Uint8Array) => Uint8Array, string]>> = {
  "a wrong digest": [(data) => {
    const changed = data.slice();
    changed[digestAt + digestAvp - 1]! ^= 1;
    return changed;
  }, "digest-wrong"],
  "no digest": [(data) => {
    const bare = new Uint8Array([
      ...data.subarray(0, digestAt),
      ...data.subarray(digestAt + digestAvp),
    ]);
    new DataView(bare.buffer).setUint16(2, bare.length);
    return bare;
  }, "digest-missing"],
  "a digest over other nonces": [(data) => {
    const signed = data.slice();
    sign(signed, [deriveDigestKey(secret)], [secretOf("one nonce"), secretOf("another nonce")]);
    return signed;
  }, "digest-wrong"],
};

function typeOf(data: Uint8Array): MessageType {
  const number = data[CONTROL_HEADER + AVP_HEADER]! << 8 | data[CONTROL_HEADER + AVP_HEADER + 1]!;
  const found = Object.entries(messageTypes).find(([, one]) => one === number);
  return found![0] as MessageType;
}

/** Lets a conversation go on, and hands the first message of `type` to `look` just before it arrives. */
function intercept(
  type: MessageType,
  look: (message: { data: Uint8Array; from: Node; to: Node; net: Netsim }) => void,
): { readonly a: Node; readonly b: Node } {
  let seen = false;
  const { a, b } = converse(settings, "udp", ({ net, a, b }) => {
    net.tap = (from, _, data) => {
      if (seen || typeOf(data) !== type) return true;
      seen = true;
      const [sender, receiver] = from === a.address ? [a, b] : [b, a];
      look({ data: data.slice(), from: sender, to: receiver, net });
      return true;
    };
  });
  assert.ok(seen, `a ${type} was sent`);
  return { a, b };
}

const remote = (node: Node) => ({ address: node.address, port: node.port });

for (const type of Object.keys(messageTypes) as MessageType[]) {
  for (const [what, [damage, reason]] of Object.entries(damages)) {
    Deno.test(`Lcce drops ${type} with ${what}, and is not moved by it`, () => {
      const { a, b } = intercept(type, ({ data, from, to, net }) => {
        const before = [states(to), drops(to)[reason] ?? 0] as const;
        net.inject(to, damage(data), remote(from));
        assert.deepStrictEqual([states(to), drops(to)[reason]], [before[0], before[1] + 1]);
      });
      // The right one, which comes behind it, did what it would have done alone.
      assertUndisturbed(a, b);
    });
  }

  Deno.test(`Lcce takes ${type} with a right digest once, and a replay of it for nothing new`, () => {
    const { a, b } = intercept(type, ({ data, from, to, net }) => {
      net.inject(to, data, remote(from));
      const after = states(to);
      net.inject(to, data, remote(from));
      assert.equal(states(to), after);
      assert.equal(drops(to)["digest-wrong"] ?? 0, 0);
    });
    assertUndisturbed(a, b);
  });
}

/** How many events a node had. */
function states(node: Node): number {
  return happened(node).length;
}

/** What happened at a node, in order; ids are random and do not count, nor does what was refused. */
function happened({ events }: Node): string[] {
  return events.filter(({ type }) => type !== "refused").map((event) =>
    "state" in event ? `${event.type} ${event.state} ${event.cause?.by ?? ""}` : event.type
  );
}

let plain: ReturnType<typeof converse> | undefined;
function assertUndisturbed(a: Node, b: Node): void {
  plain ??= converse(settings, "udp", () => {});
  assert.deepStrictEqual(happened(a), happened(plain.a));
  assert.deepStrictEqual(happened(b), happened(plain.b));
}
