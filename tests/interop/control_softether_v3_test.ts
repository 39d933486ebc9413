/**
 * SoftEther VPN server as the other LCCE of L2TPv3, as it is for routers of Yamaha and Cisco: a control connection with
 * calls of both Ethernet types. It joins calls to its hub for peers of IPsec alone, so no frames come back.
 */

import assert from "node:assert/strict";
import { startAppliance } from "./support/appliance.ts";
import {
  assertSame,
  isthmus,
  quickTimers,
  untilDown,
  untilGreeted,
  untilUp,
} from "./support/managed.ts";
import { makePair, type Pair } from "./support/place.ts";
import { startSoftether } from "./support/softether.ts";
import { suite } from "./support/suite.ts";

const calls = 20;
const { test } = suite<Pair>(
  import.meta.url,
  ["root", "tun", "ip", "vpnserver", "vpncmd"],
  async (stack) => stack.use(await makePair()),
);

const startPeer = ({ there }: Pair) =>
  startSoftether(there, [
    "IPsecEnable /L2TP:yes /L2TPRAW:yes /ETHERIP:yes /PSK:vpn /DEFAULTHUB:VPN",
  ]);

/** A tunnel with so many calls; every other one is a VLAN pseudowire (type 4). */
const startUs = ({ here }: Pair) =>
  startAppliance(here, (socket) => `
listen: [{ udp: "10.77.0.1:1701" }]
admin: { listen: "unix:${socket}" }
peers: { softether: { proto-version: 3, ${quickTimers} } }
switches: { all: {} }
tunnels:
  t:
    peer: softether
    local: "10.77.0.1:1701"
    remote: "10.77.0.2:1701"
    sessions: { ${
    Array.from({ length: calls }, (_, i) => {
      const vlan = i % 2 ? `, pw-type: vlan, vlan-id: ${i}` : "";
      return `c${i}: { circuit: { switch: { switch: all } }${vlan} }`;
    }).join(", ")
  } }
`);

test("SoftEther as LCCE: calls of types 5 and 4, HELLO, our CDN, its StopCCN, its restart, ours", async (pair) => {
  const peer = await startPeer(pair);
  {
    await using appliance = await startUs(pair);
    const before = await untilUp(appliance, "t", calls);
    await isthmus(appliance, "del", "session", "name", "c3", "tunnel", "t");
    const without = await untilUp(appliance, "t", calls - 1);
    assertSame(without, before);
    await untilGreeted(appliance, "t", without);
    assertSame(await untilUp(appliance, "t", calls - 1), before);
    await peer.endTunnels();
    assert.match(await untilDown(appliance, "t", before), /ended by the peer/);
    assert.match(await appliance.process.log(), /tunnel lost .*ended by the peer/);
    await startPeer(pair);
    await untilUp(appliance, "t", calls - 1);
  }
  await using appliance = await startUs(pair);
  await untilUp(appliance, "t", calls);
});
