/**
 * The real datapath, its worker included, in a process that does nothing else: what rows that compare with C run.
 * Its argument is a {@linkcode DatapathSetup} as JSON. It says "ready", then answers each line of standard input with a line:
 * `stats` with the datapath's counters, `lateness MS` with how late, in milliseconds, timers of this thread were.
 *
 * @module
 */

import { startDatapath } from "../../edge/datapath/client.ts";
import type { TunnelHandle } from "../../edge/datapath/datapath.ts";
import { openLibc } from "../../edge/io/libc.ts";
import { openUdpSocket } from "../../edge/io/sockets.ts";
import { openPacketSocket } from "../../edge/io/packet.ts";
import { openTap } from "../../edge/io/tap.ts";
import type { PortId } from "../../plugins/host/leaves.ts";
import type { SessionSpec } from "../../wasm/mod.ts";
import { TextLineStream } from "./lines.ts";
import { sleep } from "./measure.ts";
import {
  clientMac,
  concentratorMac,
  cookieIn,
  cookieOut,
  peerAddress,
  peerPort,
  peerSessionId,
  peerSessionId2,
  sessionId,
  sessionId2,
  sinkPort,
  subjectAddress,
} from "./plan.ts";
import type { DatapathSetup } from "./subjects.ts";

const setup = JSON.parse(Deno.args[0]!) as DatapathSetup;
using libc = openLibc();
await using datapath = await startDatapath();
const local = { address: subjectAddress, port: setup.port };
const opened = openUdpSocket(libc, { local });
const socket = await datapath.addSocket(opened.fd, opened.kind);

const addTunnel = (tunnelId: number, port: number) =>
  datapath.addTunnel({
    version: setup.ppp ? 2 : 3,
    encap: "udp",
    tunnelId,
    peerTunnelId: tunnelId,
    socket,
    remote: { address: peerAddress, port },
    sourceCheck: "endpoint",
    segment: setup.segment,
  });
const addSession = (tunnel: TunnelHandle, index: number) =>
  datapath.addSession(tunnel, session(index));
const none = new Uint8Array();
const session = (index: number): SessionSpec => ({
  sessionId: setup.ppp ? sessionId2(index) : sessionId(index),
  peerSessionId: setup.ppp ? peerSessionId2(index) : peerSessionId(index),
  frameType: setup.ppp ? "ppp" : "ethernet",
  l2spec: "none",
  cookie: setup.ppp ? none : cookieOut,
  peerCookie: setup.ppp ? none : cookieIn,
  sendSeq: false,
  recvSeq: false,
  lnsMode: false,
  reorderTimeoutMs: 0,
  restartAfterMs: 1000,
  restartRun: 32,
});

const sender = await addTunnel(1, peerPort);
const ports: PortId[] = [];
if (setup.wire !== undefined) {
  const { fd } = openPacketSocket(libc, { name: setup.wire, promiscuous: true, vnet: false });
  const port = await datapath.addDevice(fd, { frames: "ethernet", packets: true }, () => {});
  if (!setup.ppp) await datapath.crossConnect(await addSession(sender, 0), port);
  for (let i = 0; setup.ppp && i < setup.pairs; i++) {
    const link = { peer: clientMac, own: concentratorMac, tags: [], sessionId: i + 1 };
    const subscriber = await datapath.addPppoe(port, link);
    await datapath.crossConnect(await addSession(sender, i), subscriber);
  }
} else if (setup.tap === undefined) {
  const sinks = [];
  for (let k = 0; k < setup.sinks; k++) sinks.push(await addTunnel(2 + k, sinkPort + k));
  for (let i = 0; i < setup.pairs; i++) {
    const from = await addSession(sender, i);
    const to = await addSession(sinks[i % setup.sinks]!, setup.pairs + i);
    if (setup.flood) ports.push(...(i === 0 ? [from, to] : [to]));
    else if (setup.macs === undefined) await datapath.crossConnect(from, to);
    else ports.push(from, to);
  }
  if (setup.flood || setup.macs !== undefined) await switched(setup.macs ?? 0);
} else {
  const tap = openTap(libc, setup.tap, undefined, { vnet: setup.vnet });
  const port = await datapath.addDevice(
    tap.fd,
    { frames: "ethernet", ...(tap.vnet && { vnet: tap.vnet }) },
    () => {},
  );
  await datapath.crossConnect(await addSession(sender, 0), port);
}
say("ready");

/** Makes all sessions ports of a switch; station `i` is behind the second session of pair `i % pairs`. */
async function switched(macs: number): Promise<void> {
  const { forwarders } = datapath;
  const options = { macTableSize: macs + 10_000 };
  const lan = await forwarders.add("switch", [], options, () => {});
  for (const [at, port] of ports.entries()) await forwarders.join(lan, port, { name: `${at}` });
  for (let first = 0; first < macs; first += 1000) {
    await Promise.all(Array.from({ length: Math.min(1000, macs - first) }, (_, at) => {
      const i = first + at;
      const mac = `02:01${i.toString(16).padStart(8, "0").replace(/../g, ":$&")}`;
      return forwarders.ask(lan, "fdb-add", { port: `${i % setup.pairs * 2 + 1}`, vlan: 0, mac });
    }));
  }
}

const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream())
  .pipeThrough(new TextLineStream());
for await (const line of lines) {
  const [command, argument] = line.split(" ");
  if (command === "stats") {
    const { drops, io } = await datapath.stats();
    say(JSON.stringify({ drops, io }));
  } else if (command === "lateness") {
    say(JSON.stringify(await lateness(Number(argument))));
  }
}

/** How late timers of 5 ms were, over `ms` milliseconds. */
async function lateness(ms: number): Promise<number[]> {
  const seen: number[] = [];
  for (const end = performance.now() + ms; performance.now() < end;) {
    const due = performance.now() + 5;
    await sleep(5);
    seen.push(performance.now() - due);
  }
  return seen;
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
