import assert from "node:assert/strict";
import { type PortIx, WasmDatapath } from "../../wasm/mod.ts";
import { Errno } from "../io/errno.ts";
import type { Libc } from "../io/libc.ts";
import { frameOf, sessionSpec } from "./testing.ts";
import { createTransmitter } from "./transmit.ts";

const EIO = 5;
const EMSGSIZE = 90;
const socketFd = 5;
const deviceFd = 6;

/** System calls that answer as scripted (a negative answer is an errno), and once the script has ended as all goes well. */
function script(answers: { send?: number[]; write?: number[]; poll?: number[] }) {
  const asked = { send: [] as number[], write: 0, poll: 0 };
  let errno = 0;
  const answer = (scripted: number | undefined, well: number) => {
    if (scripted === undefined || scripted >= 0) return scripted ?? well;
    errno = -scripted;
    return -1;
  };
  const call = {
    sendmmsgAt(fd: number, _messages: bigint, count: number) {
      assert.equal(fd, socketFd);
      asked.send.push(count);
      return answer(answers.send?.shift(), count);
    },
    writeAt(fd: number, _frame: bigint, length: bigint) {
      assert.equal(fd, deviceFd);
      asked.write++;
      return answer(answers.write?.shift(), Number(length));
    },
    pollAt() {
      asked.poll++;
      return answer(answers.poll?.shift(), 1);
    },
  };
  const libc = { call, errno: () => errno, address: () => 0n } as unknown as Libc;
  return { libc, asked };
}

/** A host port that is joined to a session or a device, in a datapath whose system calls are scripted. */
function joined(
  answers: Parameters<typeof script>[0],
  { segment = false, device = false } = {},
) {
  const datapath = new WasmDatapath();
  const { libc, asked } = script(answers);
  const transmitter = createTransmitter(libc, datapath, 0n);
  const socket = datapath.addSocket(socketFd, "udp4");
  const tunnel = datapath.addTunnel({
    version: 3,
    encap: "udp",
    tunnelId: 1,
    peerTunnelId: 1,
    socket,
    remote: { address: Uint8Array.of(127, 0, 0, 1), port: 1701 },
    sourceCheck: "none",
    segment,
  });
  const session = datapath.addSession(tunnel, sessionSpec(1));
  const host = datapath.addHostPort("ethernet");
  const other: PortIx = device ? datapath.addDevice(deviceFd, "ethernet") : session;
  datapath.crossConnect(host, other);
  const send = (frames: number) => {
    for (let i = 0; i < frames; i++) assert.ok(datapath.inject(host, frameOf(i, 100), 0));
    transmitter.flush();
  };
  const counted = (): Record<string, number> => {
    const drops = Object.entries(datapath.drops()).filter(([, count]) => count > 0);
    return { sent: datapath.sessionCounters(session)["tx-packets"], ...Object.fromEntries(drops) };
  };
  return { asked, transmitter, send, counted, [Symbol.dispose]: () => datapath.free() };
}

Deno.test("flush() goes on after what the kernel took of a batch", () => {
  using side = joined({ send: [2, 1] });
  side.send(5);
  assert.deepEqual(side.asked.send, [5, 3, 2]);
  assert.deepEqual(side.counted(), { sent: 5 });
});

Deno.test("flush() tries again when a signal came between", () => {
  using side = joined({ send: [-Errno.EINTR, 1, -Errno.EINTR] });
  side.send(2);
  assert.deepEqual(side.asked.send, [2, 2, 1, 1]);
  assert.deepEqual(side.counted(), { sent: 2 });
});

Deno.test("flush() waits for a full socket, and goes on", () => {
  using side = joined({ send: [1, -Errno.EAGAIN] });
  side.send(3);
  assert.deepEqual(side.asked, { send: [3, 2, 2], write: 0, poll: 1 });
  assert.deepEqual(side.counted(), { sent: 3 });
});

Deno.test("flush() drops what a socket that stays full does not take, and waits no more in this round", () => {
  const full = -Errno.EAGAIN;
  using side = joined({ send: [1, ...Array(7).fill(full)], poll: [0, 0, 0, 0] });
  side.send(3);
  assert.equal(side.asked.poll, 1);
  for (let i = 0; i < 5; i++) side.send(1);
  assert.equal(side.asked.poll, 4);
  assert.equal(side.counted()["socket-full"], 7);
  side.transmitter.beginRound();
  side.send(1);
  assert.equal(side.asked.poll, 5);
  assert.equal(side.counted().sent, 2);
});

Deno.test("flush() sends again after another datagram's ICMP error, and drops one that has its own", () => {
  using side = joined({ send: [-Errno.ECONNREFUSED, 1, -Errno.ECONNREFUSED, -Errno.ECONNREFUSED] });
  side.send(3);
  assert.deepEqual(side.asked.send, [3, 3, 2, 2, 1]);
  assert.equal(side.counted()["peer-unreachable"], 1);
});

Deno.test("flush() sends one by one what the kernel does not take as a group", () => {
  using side = joined({ send: [-EMSGSIZE] }, { segment: true });
  side.send(4);
  assert.deepEqual(side.asked.send, [1, 4]);
  assert.deepEqual(side.counted(), { sent: 4 });
});

Deno.test("flush() drops the frame that a device refuses, and writes the others", () => {
  using side = joined({ write: [-Errno.EINTR, 100, -EIO] }, { device: true });
  side.send(4);
  assert.equal(side.asked.write, 5);
  assert.deepEqual(side.counted(), { sent: 0, "device-down": 1 });
});
