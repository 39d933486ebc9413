import { bridge } from "./bridge/mod.ts";
import { ethernet } from "./ethernet/mod.ts";
import { networkInterface } from "./interface/mod.ts";
import { probe } from "./probe/mod.ts";
import { sink } from "./sink/mod.ts";
import { testPlugin } from "./testing/contract.ts";

testPlugin({
  plugin: ethernet,
  options: { name: "office0", addresses: ["192.168.7.1/24"] },
  changed: { name: "office0", mtu: 1400, mac: "02:00:00:00:00:07", addresses: ["fd00:7::1/64"] },
  restart: { name: "office0", offload: { gso: false } },
});

testPlugin({
  plugin: networkInterface,
  options: { name: "eth1", vlan: 10 },
  restart: { name: "eth1", vlan: 11 },
});

testPlugin({
  plugin: probe,
  options: { address: "192.168.7.1/24", ping: "192.168.7.2" },
  changed: { address: "192.168.7.3/24", ping: "192.168.7.2", "interval-ms": 100 },
});

testPlugin({ plugin: sink, options: {}, changed: { echo: true } });

const bridgeWords = {
  "add-bridge": { a: "branch/office", b: "branch/other" },
  "del-bridge": { session: "branch/office" },
};
testPlugin({ plugin: bridge, options: {}, words: bridgeWords });
testPlugin({ plugin: bridge, options: { "by-hand": true }, restart: {}, words: bridgeWords });

testPlugin({
  plugin: bridge,
  options: { rules: [{ to: { peer: "lns" } }] },
  changed: { rules: [{ "called-number": "77*", to: { peer: "lns" } }] },
  restart: {},
  peers: ["lns"],
  words: bridgeWords,
});
