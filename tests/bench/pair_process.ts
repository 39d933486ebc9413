/**
 * One end of a pseudowire between a TAP and a peer, the real datapath in a process of its own. Its argument is JSON:
 * `local`, `port`, `remote`, `tap`; `vnet`: whether the TAP may hand over super-frames; `switched`: whether both are ports of
 * a switch. It says "ready".
 *
 * @module
 */

import { startDatapath } from "../../edge/datapath/client.ts";
import { openLibc } from "../../edge/io/libc.ts";
import { openUdpSocket } from "../../edge/io/sockets.ts";
import { openTap } from "../../edge/io/tap.ts";

const setup = JSON.parse(Deno.args[0]!) as {
  readonly local: string;
  readonly port: number;
  readonly remote: string;
  readonly tap: string;
  readonly vnet: boolean;
  readonly switched: boolean;
};
using libc = openLibc();
await using datapath = await startDatapath();
const opened = openUdpSocket(libc, { local: { address: setup.local, port: setup.port } });
const tunnel = await datapath.addTunnel({
  version: 3,
  encap: "udp",
  tunnelId: 1,
  peerTunnelId: 1,
  socket: await datapath.addSocket(opened.fd, opened.kind),
  remote: { address: setup.remote, port: setup.port },
  sourceCheck: "endpoint",
  segment: true,
});
const cookie = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const session = await datapath.addSession(tunnel, {
  sessionId: 1,
  peerSessionId: 1,
  frameType: "ethernet",
  l2spec: "none",
  cookie,
  peerCookie: cookie,
  sendSeq: false,
  recvSeq: false,
  lnsMode: false,
  reorderTimeoutMs: 0,
  restartAfterMs: 1000,
  restartRun: 32,
});
const tap = openTap(libc, setup.tap, undefined, { vnet: setup.vnet });
const device = { frames: "ethernet" as const, ...(tap.vnet && { vnet: tap.vnet }) };
const port = await datapath.addDevice(tap.fd, device, () => {});
if (setup.switched) {
  const { forwarders } = datapath;
  const lan = await forwarders.add("switch", [], {}, () => {});
  await forwarders.join(lan, port, { name: "tap" });
  await forwarders.join(lan, session, { name: "pseudowire" });
} else {
  await datapath.crossConnect(port, session);
}
Deno.stdout.writeSync(new TextEncoder().encode("ready\n"));
// Until the bench closes standard input, or sends a signal.
for await (const _ of Deno.stdin.readable);
