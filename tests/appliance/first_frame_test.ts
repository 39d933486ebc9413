/** The peer may send frames as soon as it was told to go on: none of them is lost. */

import assert from "node:assert/strict";
import type { ProtoVersion } from "../../core/pseudowire.ts";
import { PseudowireType } from "../../core/pseudowire.ts";
import type { SessionParameters } from "../../core/settings.ts";
import { testCall, testSettings } from "../../core/testing.ts";
import { startControlNode } from "./control_support.ts";
import { type RawPeer, startRawPeer } from "./raw_peer.ts";
import { loopback, until } from "./support.ts";

const versions: readonly ProtoVersion[] = [2, 3];
/** LCP Configure-Request, as a client's first frame. */
const lcp = Uint8Array.fromHex("ff03c02101010010010405780206000000000506" + "4e2f1a07");
const pw = { 2: "ppp", 3: "ethernet" } as const;
const type = { 2: PseudowireType.Ppp, 3: PseudowireType.Ethernet } as const;
const accept = (version: ProtoVersion) =>
  `{ name: "*", pw-type: ${pw[version]}, circuit: { sink: { echo: true } } }`;

/** Has the peer send a frame behind the very message, or acknowledgement, that a call is up with. */
function sendAtOnce(peer: RawPeer): { readonly sent: SessionParameters[] } {
  const sent: SessionParameters[] = [];
  peer.onEvent = (event) => {
    const { lcce } = peer;
    if (event.type === "call-requested") {
      lcce.acceptCall(event.call, testCall({ sequencing: false }), peer.now());
    }
    if (event.type !== "call-state") return;
    if (event.state === "wait-proceed") lcce.proceed(event.call, peer.now());
    if (event.state === "wait-cs-answer") lcce.callConnected(event.call, peer.now());
    if (event.state !== "established") return;
    sent.push(event.session!);
    peer.send(event.session!, lcp);
  };
  return { sent };
}

Deno.test("the first frame behind ICCN is carried, of 20 calls one by one and of 200 at once", async () => {
  for (const [i, version] of versions.entries()) {
    const [a, b] = [loopback(61 + 2 * i), loopback(62 + 2 * i)];
    await using _lns = await startControlNode(`
listen: [{ udp: "${b}:1701" }]
host-name: lns
peers: { lac: { proto-version: ${version}, accept: [${accept(version)}] } }
`);
    const settings = testSettings({ version });
    await using peer = await startRawPeer(a, b, settings);
    const { sent } = sendAtOnce(peer);
    const connection = peer.act((lcce, now) => lcce.dial(settings, peer.path(), now));
    const call = (name: string) =>
      peer.act((lcce, now) =>
        lcce.placeCall(
          connection,
          "incoming-caller",
          testCall({ name, pseudowireType: type[version], sequencing: false }),
          now,
        )
      );
    for (let n = 1; n <= 20; n++) {
      call(`one-${n}`);
      await until(() => peer.frames.length === n);
    }
    for (let n = 1; n <= 200; n++) call(`many-${n}`);
    await until(() => peer.frames.length === 220);
    assert.equal(sent.length, 220);
    assert.ok(peer.frames.every((frame) => frame.toHex().endsWith(lcp.toHex())), "echoed whole");
  }
});

Deno.test("the first frame behind the acknowledgement of our ICCN is carried", async () => {
  for (const [i, version] of versions.entries()) {
    const [a, b] = [loopback(65 + 2 * i), loopback(66 + 2 * i)];
    const sessions = Array.from(
      { length: 50 },
      (_, n) => `s${n}: { pw-type: ${pw[version]}, circuit: { sink: { echo: true } } }`,
    );
    const settings = testSettings({ version });
    await using peer = await startRawPeer(a, b, settings);
    const { sent } = sendAtOnce(peer);
    await using lac = await startControlNode(`
listen: [{ udp: "${b}:1701" }]
host-name: lac
peers: { lns: { proto-version: ${version}, accept: [${accept(version)}] } }
tunnels:
  to-lns: { peer: lns, local: "${b}:1701", remote: ${a}, sessions: { ${sessions.join(", ")} } }
`);
    await until(() => peer.frames.length === 50);
    assert.equal(sent.length, 50);
    assert.equal((await lac.up("to-lns")).length, 50);
  }
});
