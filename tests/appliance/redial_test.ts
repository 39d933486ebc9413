/** How an appliance dials: from which port, how soon again, and whom next. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createSocket, type Socket } from "node:dgram";
import { openLibc } from "../../edge/io/libc.ts";
import { openUdpSocket } from "../../edge/io/sockets.ts";
import { startControlNode } from "./control_support.ts";
import { loopback, sleep, until } from "./support.ts";

/** An SCCRQ as a peer sees it. */
interface Request {
  readonly at: number;
  readonly port: number;
  /** Assigned Tunnel ID. */
  readonly id: number;
}

/** A peer that hears SCCRQs of L2TPv2 and answers what it is told to, or nothing. */
async function listen(address: string, answer?: (request: Request) => Buffer | undefined) {
  const socket: Socket = createSocket("udp4");
  const requests: Request[] = [];
  await new Promise<void>((resolve) => socket.bind(1701, address, resolve));
  socket.on("message", (data: Buffer, from) => {
    const id = assignedTunnelId(data);
    if (data.readUInt16BE(4) !== 0 || data.readUInt16BE(18) !== 1 || id === undefined) return;
    const request = { at: performance.now(), port: from.port, id };
    requests.push(request);
    const reply = answer?.(request);
    if (reply) socket.send(reply, from.port, from.address);
  });
  return {
    requests,
    /** The SCCRQs that begin an attempt. */
    attempts: () =>
      requests.filter(({ id, port }, i) =>
        requests.findIndex((other) => other.id === id && other.port === port) === i
      ),
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => socket.close(() => resolve())),
  };
}

/** Finds the Assigned Tunnel ID AVP (9) of a message (RFC 2661 §4.4.3). */
function assignedTunnelId(data: Buffer): number | undefined {
  for (let at = 12; at + 6 <= data.length; at += data.readUInt16BE(at) & 0x3ff) {
    if (data.readUInt16BE(at + 4) === 9) return data.readUInt16BE(at + 6);
  }
}

/** StopCCN with a result, to whoever sent the SCCRQ (RFC 2661 §4.4.2). */
function stop({ id }: Request, result: number, error: number): Buffer {
  const avps = [
    [0x8008, 0, 0, 4],
    [0x8008, 0, 9, 77],
    [0x800a, 0, 1, result, error],
  ].flat();
  const words = [0xc802, 12 + 2 * avps.length, id, 0, 0, 1, ...avps];
  const message = Buffer.alloc(2 * words.length);
  words.forEach((word, i) => message.writeUInt16BE(word, 2 * i));
  return message;
}

const lac = (local: string, remote: string) => `
listen: []
host-name: lac
peers: { lns: { proto-version: 2, retransmit: 0.1, attempts: 2, retransmit-cap: 8 } }
tunnels: { t: { peer: lns, local: "${local}", remote: ${remote} } }
`;

Deno.test("who does not answer port 1701 is dialed from a fresh port with another tunnel id, and from 1701 again next time", async () => {
  const [a, b] = [loopback(81), loopback(82)];
  await using peer = await listen(b);
  await using _lac = await startControlNode(lac(a, b));
  await until(() => peer.attempts().length >= 3);
  const [first, second, third] = peer.attempts();
  assert.equal(first!.port, 1701);
  assert.notEqual(second!.port, 1701);
  assert.notEqual(first!.id, second!.id);
  assert.equal(third!.port, 1701);
  assert.ok(peer.requests.filter(({ id }) => id === second!.id).length >= 2, "its full time");
});

Deno.test("a local address with a port means that port only, and port 0 a fresh one", async () => {
  const [a, b] = [loopback(83), loopback(84)];
  for (const port of [1701, 0]) {
    await using peer = await listen(b);
    await using _lac = await startControlNode(lac(`${a}:${port}`, b));
    await until(() => peer.attempts().length >= 2);
    assert.ok(peer.requests.every((request) => (request.port === 1701) === (port === 1701)));
  }
});

Deno.test("where port 1701 cannot be had, a fresh one is dialed from at once", async () => {
  const [a, b] = [loopback(85), loopback(86)];
  await using _other = await listen(a);
  await using peer = await listen(b);
  await using _lac = await startControlNode(lac(a, b));
  await until(() => peer.requests.length > 0);
  assert.notEqual(peer.requests[0]!.port, 1701);
});

Deno.test("a temporary refusal is asked again after 5 s at most, others less and less often", async () => {
  const [a, b] = [loopback(87), loopback(88)];
  await using peer = await listen(b, (request) => stop(request, 2, 4));
  await using node = await startControlNode(lac(a, b));
  await until(() => peer.requests.length >= 3);
  const reason = async () => (await node.tunnel("t"))?.control?.reason ?? "";
  await until(async () => /result 2, error 4/.test(await reason()));
  await until(async () => (await node.tunnel("t"))?.control?.redialAt !== undefined);
  assert.ok((await node.tunnel("t"))!.control!.redialAt! - Date.now() <= 6_250);
});

Deno.test("an SCCRQ that was acknowledged, and not answered yet, is not given up for another port", async () => {
  const [a, b] = [loopback(89), loopback(90)];
  const zlb = ({ id }: Request) => {
    const message = Buffer.alloc(12);
    [0xc802, 12, id, 0, 0, 1].forEach((word, i) => message.writeUInt16BE(word, 2 * i));
    return message;
  };
  await using peer = await listen(b, zlb);
  await using _lac = await startControlNode(lac(a, b));
  await until(() => peer.requests.length > 0);
  await sleep(1000);
  assert.deepEqual(peer.attempts().length, 1);
});

Deno.test("a call that one LNS refuses goes to the next with its tunnel, where the configuration says so", async () => {
  const [a, b, c] = [loopback(91), loopback(92), loopback(93)];
  const lns = (at: string, more: string) => `
listen: [{ udp: "${at}:1701" }]
host-name: "lns-${at}"
peers: { lac: { proto-version: 2, accept: [{ circuit: { sink: {} } }]${more} } }
`;
  // What is beyond the limit is refused with CDN 4.
  await using _first = await startControlNode(lns(b, ", session-limit: 1"));
  await using _second = await startControlNode(lns(c, ""));
  for (const [results, at, count] of [["", c, 2], [', deny-results: ["9"]', b, 1]] as const) {
    const remotes =
      `[{ address: ${b}, preference: 1${results} }, { address: ${c}, preference: 2 }]`;
    await using node = await startControlNode(`
listen: []
host-name: lac
peers: { lns: { proto-version: 2, retransmit: 0.2, attempts: 2 } }
tunnels:
  t:
    peer: lns
    local: "${a}:0"
    remote: ${remotes}
    sessions: { one: { circuit: { sink: {} } }, two: { circuit: { sink: {} } } }
`);
    await until(async () => (await node.up("t")).length === count);
    await sleep(300);
    assert.equal((await node.up("t")).length, count);
    assert.equal((await node.tunnel("t"))?.config.remote.address, at);
  }
});

Deno.test("a socket stays open as long as a connection on it lingers, and no longer", async () => {
  const [a, b] = [loopback(96), loopback(97)];
  await using _lns = await startControlNode(`
listen: [{ udp: "${b}:1701" }]
peers: { lac: { proto-version: 2 } }
`);
  // It acknowledges what comes again for 31 times the first retransmission time: 3.1 s (RFC 2661 §5.7).
  await using node = await startControlNode(`
listen: []
peers: { lns: { proto-version: 2, retransmit: 0.1, attempts: 5 } }
tunnels: { t: { peer: lns, local: "${a}:5701", remote: "${b}:1701" } }
`);
  await until(async () => (await node.tunnel("t"))?.control?.state === "established");
  await node.appliance.deleteTunnel("t");
  const began = performance.now();
  using libc = openLibc();
  const isFree = () => {
    try {
      const { fd } = openUdpSocket(libc, { local: { address: a, port: 5701 } });
      libc.call.close(fd);
      return true;
    } catch {
      return false;
    }
  };
  await until(isFree);
  const seconds = (performance.now() - began) / 1000;
  assert.ok(seconds > 2.5, `free after ${seconds} s`);
});
