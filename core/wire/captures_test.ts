/** What eight implementations were seen to send: every control message must be read, and written again to equal meaning. */

import assert from "node:assert/strict";
import { parseAvps } from "./avp.ts";
import type { AvpName } from "./catalogue.ts";
import { emitMessage, parseHeader } from "./header.ts";
import { emitBody, parseBody } from "./message.ts";

const testdata = new URL("./testdata/", import.meta.url);
const secret = new TextEncoder().encode("secret");

Deno.test("parseBody() reads every captured control message, and emitBody() writes it again", async () => {
  const seen = new Map<string, number>();
  for await (const { name, isFile } of Deno.readDir(testdata)) {
    if (!isFile) continue;
    const messages = controlMessages(await Deno.readFile(new URL(name, testdata)));
    assert.ok(messages.length > 0, `${name}: no control message`);
    for (const [i, datagram] of messages.entries()) {
      const { header, body } = parseHeader(datagram);
      const context = { version: header.version, hidingKey: secret };
      const parsed = parseBody(body, context);
      if (parsed.kind === "zlb") {
        assert.deepEqual(emitMessage(header, body), datagram);
        continue;
      }
      assert.equal(
        parsed.kind,
        "message",
        `${name} #${i}: ${parsed.kind === "refused" ? parsed.error.message : ""}`,
      );
      if (parsed.kind !== "message") continue;
      seen.set(parsed.message.type, (seen.get(parsed.message.type) ?? 0) + 1);
      const again = emitMessage(header, emitBody(parsed.message));
      const reread = parseHeader(again);
      assert.deepEqual(reread.header, header);
      const { randomVector: _, ...avps } = parsed.message.avps;
      const second = parseBody(reread.body, context);
      assert.deepEqual(
        second.kind === "message" && second.message,
        { ...parsed.message, avps },
        `${name} #${i}`,
      );
    }
  }
  for (
    const type of ["SCCRQ", "SCCRP", "SCCCN", "StopCCN", "HELLO", "ICRQ", "ICRP", "ICCN", "CDN"]
  ) {
    assert.ok(seen.has(type), `no ${type} among ${JSON.stringify(Object.fromEntries(seen))}`);
  }
});

Deno.test("parseBody() reads every hidden AVP of the captures that hide, and none with another secret", async () => {
  const messages = controlMessages(
    await Deno.readFile(new URL("lacgen-accel-ppp-lns-hidden.pcap", testdata)),
  );
  let hidden = 0;
  for (const datagram of messages) {
    const { header, body } = parseHeader(datagram);
    const count = parseAvps(body).filter((avp) => avp.hidden).length;
    hidden += count;
    if (count === 0) continue;
    const parsed = parseBody(body, { version: header.version, hidingKey: secret });
    assert.equal(parsed.kind, "message");
    const wrong = parseBody(body, { version: header.version, hidingKey: secret.toReversed() });
    const read = (names: object) => Object.keys(names) as AvpName[];
    if (wrong.kind === "message" && parsed.kind === "message") {
      assert.ok(read(wrong.message.avps).length < read(parsed.message.avps).length);
    }
  }
  assert.ok(hidden > 0);
});

/** The UDP payloads of a capture (Ethernet or raw IPv4) that have L2TP's T bit. */
function controlMessages(pcap: Uint8Array): Uint8Array[] {
  const view = new DataView(pcap.buffer);
  const little = view.getUint32(0, true) >>> 8 === 0xa1b2c3 ||
    view.getUint32(0, true) === 0xa1b2c3d4;
  const linkHeader = { 1: 14, 101: 0, 113: 16, 228: 0, 276: 20 }[view.getUint32(20, little)];
  assert.notEqual(linkHeader, undefined, `link type ${view.getUint32(20, little)}`);
  const messages: Uint8Array[] = [];
  for (let at = 24; at < pcap.length;) {
    const length = view.getUint32(at + 8, little);
    const packet = pcap.subarray(at + 16 + linkHeader!, at + 16 + length);
    at += 16 + length;
    const ip = (packet[0]! & 15) * 4;
    if (packet[0]! >> 4 !== 4 || packet[9] !== 17) continue;
    const ports = [0, 2].map((offset) => packet[ip + offset]! << 8 | packet[ip + offset + 1]!);
    if (!ports.includes(1701)) continue;
    const udpLength = packet[ip + 4]! << 8 | packet[ip + 5]!;
    const payload = packet.slice(ip + 8, ip + udpLength);
    if ((payload[0]! & 0x80) !== 0) messages.push(payload);
  }
  return messages;
}
