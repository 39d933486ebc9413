/** What we send, as an independent decoder reads it: no malformed packets, no expert's complaints, every field as configured. */

import assert from "node:assert/strict";
import { startAppliance } from "./support/appliance.ts";
import { captureHere } from "./support/capture.ts";
import { addKernelEnds } from "./support/kernel.ts";
import { bootLab, type Lab, wire } from "./support/lab.ts";
import { config, derived, type Pseudowire } from "./support/pseudowire.ts";
import { suite } from "./support/suite.ts";
import { assertNoLoss, ping } from "./support/traffic.ts";
import { decode } from "./support/tshark.ts";

const variants: readonly Pseudowire[] = (["udp", "ip"] as const).flatMap((encap) =>
  ([4, 6] as const).flatMap((family) =>
    ["", "0011aabb", "0011aabbccdd2233"].flatMap((cookie) =>
      ([["default", false], ["default", true], ["none", false]] as const).map((
        [l2spec, seq],
      ) => ({ encap, family, cookie, l2spec, seq }))
    )
  )
).map(({ encap, family, cookie, l2spec, seq }, i) => {
  const key = family === 4 ? "ip4" : "ip6";
  return {
    index: i + 1,
    encap,
    here: { address: wire.here[key], port: encap === "udp" ? 1701 : 0 },
    there: { address: wire.guest[key], port: encap === "udp" ? 1800 + i : 0 },
    l2spec,
    seq,
    cookie,
    peerCookie: cookie,
  };
});

const listeners = `{ udp: "${wire.here.ip4}:1701" }, { udp: "[${wire.here.ip6}]:1701" }, ` +
  `{ ip: "${wire.here.ip4}" }, { ip: "${wire.here.ip6}" }`;

interface Context {
  readonly lab: Lab;
  /** All that crossed the wire while every variant was pinged. */
  readonly file: string;
}

const tshark = suite<Context>(
  import.meta.url,
  ["root", "tun", "lab", "ip", "ping", "tcpdump", "ethtool", "tshark"],
  async (stack) => {
    const lab = stack.use(await bootLab());
    // Otherwise the host leaves checksums to the device, and a capture sees them unfinished.
    await lab.here("ethtool", "-K", lab.tap, "tx", "off", "gso", "off");
    stack.use(await startAppliance(lab, (socket) => config(variants, listeners, socket)));
    await addKernelEnds(lab, variants);
    const capture = await captureHere(lab, lab.tap);
    for (const one of variants) assertNoLoss(await ping(lab, derived(one).there4), "ping");
    await capture.stop();
    return { lab, file: capture.file };
  },
);

for (const one of variants) {
  const { peerSessionId } = derived(one);
  const title = `${one.encap === "udp" ? "UDP" : "IP 115"} over ` +
    `IPv${one.here.address.includes(":") ? 6 : 4}, cookie ${one.cookie.length / 2}, ` +
    `l2spec ${one.l2spec}, seq ${one.seq ? "both" : "none"}`;
  tshark.test(`${title}: tshark decodes what we send`, async ({ file }) => {
    const packets = await decode(file, one, `l2tp.sid == ${peerSessionId}`);
    assert(packets.length >= 5, `${packets.length} packets`);
    for (const packet of packets) {
      assert.equal(packet.expert, "", packet.protocols);
      assert.equal(packet.sessionId, peerSessionId);
      assert.equal(packet.cookie, one.cookie);
      assert.equal(packet.sequenced, one.l2spec === "none" ? undefined : one.seq);
    }
    const echoes = packets.filter(({ protocols }) =>
      /:l2tp:(eth:)?ethertype:ip:icmp/.test(protocols)
    );
    assert(echoes.length >= 5, packets.map(({ protocols }) => protocols).join("\n"));
    if (one.seq) {
      const numbers = packets.map(({ sequence }) => sequence);
      assert.deepStrictEqual(numbers, numbers.map((_, i) => numbers[0]! + i), "without a gap");
    }
  });
}
