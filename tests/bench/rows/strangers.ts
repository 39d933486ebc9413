/** What a stranger's SCCRQ costs the control plane, by how many peers are configured. @module */

import { dialects, messageOf } from "../../../core/dialect.ts";
import { emitMessage } from "../../../core/wire/header.ts";
import { Lcce } from "../../../core/lcce.ts";
import { emitBody } from "../../../core/wire/message.ts";
import type { ProtoVersion } from "../../../core/pseudowire.ts";
import type { Path } from "../../../core/settings.ts";
import { seeded, testSettings } from "../../../core/testing.ts";
import type { PeerConfig } from "../../../edge/config/model.ts";
import { indexPeers } from "../../../edge/control/peer_index.ts";
import type { Effort } from "../compare.ts";
import type { Figure } from "../figure.ts";
import { spread } from "../measure.ts";

/** Peers by address, by network, and by name alone: the last are open to whoever comes by that name. */
function peersOf(count: number): PeerConfig[] {
  return Array.from({ length: count }, (_, i) => {
    const { name: _n, hostName: _h, vendorName: _v, routerId: _r, pseudowires: _p, ...rest } =
      testSettings({ version: i % 2 === 0 ? 2 : 3 });
    const net = `10.${i >> 8 & 0xff}.${i & 0xff}`;
    return {
      name: `peer-${i}`,
      addresses: [[`${net}.1`], [`${net}.0/24`], []][i % 3]!,
      ...(i % 3 > 0 && { hostName: i % 2 === 0 ? `lac-${i}` : `lac-${i}.*` }),
      settings: { fallback: false, ...rest },
      tunnelLimit: 10,
      accept: [],
    };
  });
}

/** SCCRQs from as many addresses, and who is to have sent them. */
interface Strangers {
  readonly what: string;
  readonly version: ProtoVersion;
  /** The address of the `i`th. */
  address(i: number): string;
  readonly hostName: string;
}

const strangers: readonly Strangers[] = [
  {
    what: "from nobody's address",
    version: 2,
    address: (i) => `172.${16 + (i >> 16 & 15)}.${i >> 8 & 255}.${i & 255}`,
    hostName: "stranger",
  },
  {
    what: "from a peer's network by a name that is nobody's",
    version: 3,
    address: (i) => `10.0.1.${i & 255}`,
    hostName: "lac-stranger.example.net",
  },
];

/** How many SCCRQs are handed over between two looks at the clock. */
const RUN = 20_000;

/** Microseconds of the main isolate for each SCCRQ. */
// deno-lint-ignore require-await
export async function strangersCost({ rounds, scale }: Effort): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const { address, hostName, version, what } of strangers) {
    for (const count of [1, 1_000, 10_000]) {
      // One peer is one that is open to all: with an address of its own it would be cheaper still.
      const peers = count === 1 ? peersOf(3).slice(2) : peersOf(count);
      const cost = costOf(peers, version, address, hostName);
      cost(RUN);
      const runs = Array.from({ length: rounds }, () => cost(RUN * scale));
      figures.push({
        row: "strangers",
        what: `an SCCRQ ${what}, ${count} peers configured`,
        unit: "µs",
        value: spread(runs),
        bar: { at: "most", limit: 30 },
        detail: { runs },
      });
    }
  }
  return figures;
}

function costOf(
  peers: readonly PeerConfig[],
  version: ProtoVersion,
  address: (i: number) => string,
  hostName: string,
): (count: number) => number {
  const index = indexPeers(peers);
  const lcce = new Lcce({
    expects: ({ remote }) => index.expects(remote.address),
    policy: ({ hostName, path, version }) => {
      const peer = index.match({ address: path.remote.address, hostName, version });
      if (!peer) return { kind: "ignore" };
      return { kind: "accept", settings: testSettings({ ...peer.settings, name: peer.name }) };
    },
    random: seeded(1).bytes,
    // As the appliance has them but for the rate: every SCCRQ is to be looked at.
    limits: {
      halfOpen: 2048,
      halfOpenPerAddress: 1024,
      requestsPerSecond: 2000,
      looksPerSecond: 1e9,
    },
  });
  const settings = testSettings({ version, hostName });
  const body = emitBody(
    messageOf(version, "SCCRQ", dialects[version].introduce({ settings, localId: 7 })),
  );
  const header = { version, connectionId: 0, sessionId: 0, ns: 0, nr: 0 } as const;
  const datagram = emitMessage(header, body);
  const paths = Array.from({ length: 4096 }, (_, i): Path => ({
    encap: "udp",
    local: "10.99.0.1",
    remote: { address: address(i), port: 1701 },
    mark: 0,
    socket: 1,
  }));
  return (count) => {
    const start = performance.now();
    for (let i = 0; i < count; i++) {
      const path = paths[i & 4095]!;
      if (lcce.sort(datagram, path, start)) lcce.receive(datagram, path, start);
      while (lcce.poll());
    }
    return (performance.now() - start) * 1000 / count;
  };
}
