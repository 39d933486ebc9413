import assert from "node:assert/strict";
import { type PortIx, type TunnelIx, WasmDatapath } from "../../wasm/mod.ts";
import { Errno } from "../io/errno.ts";
import type { Libc } from "../io/libc.ts";
import { createGrouping } from "./grouping.ts";
import { frameOf, sessionSpec } from "./testing.ts";
import { createTransmitter } from "./transmit.ts";

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
  answers: Parameters<typeof script>[0] & { kept?: number[]; mark?: number },
  { segment = false, device = false } = {},
) {
  const datapath = new WasmDatapath();
  const { libc, asked } = script(answers);
  const grouping = createGrouping<TunnelIx>((tunnel, longest) =>
    datapath.limitGrouping(tunnel, longest ?? 0xffff)
  );
  const looked: number[] = [];
  const transmitter = createTransmitter(libc, datapath, 0n, grouping, {
    kept: () => answers.kept?.shift() ?? 0,
    markOf: () => answers.mark ?? 0,
    look(_, message) {
      looked.push(message);
      return "no-source-address";
    },
  });
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
  const limits = (now: number) => [...grouping.limits(now, [tunnel]).values()];
  return {
    asked,
    limits,
    looked,
    transmitter,
    send,
    counted,
    [Symbol.dispose]: () => datapath.free(),
  };
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
  side.transmitter.beginRound(0);
  side.send(1);
  assert.equal(side.asked.poll, 5);
  assert.equal(side.counted().sent, 2);
});

Deno.test("flush() sends again after an ICMP error, which is never the answer to this call", () => {
  // The kernel keeps three: each fails one call. Then one that it had no room to keep.
  using side = joined({
    send: [-Errno.ECONNREFUSED, -Errno.EHOSTUNREACH, -Errno.EMSGSIZE, 2, -Errno.ECONNREFUSED],
    kept: [1, 1, 1, 0],
  });
  side.send(3);
  assert.deepEqual(side.asked.send, [3, 3, 3, 3, 1, 1]);
  assert.deepEqual(side.counted(), { sent: 3 });
  assert.equal(side.transmitter.figures["tx-excused"], 4);
});

Deno.test("flush() drops a datagram whose own error it is, and no other", () => {
  using side = joined({ send: [1, -Errno.ENETUNREACH, -Errno.ENETUNREACH, 1], kept: [0, 0] });
  side.send(3);
  assert.deepEqual(side.asked.send, [3, 2, 2, 1]);
  assert.deepEqual(side.counted(), { sent: 2, "no-route": 1 });
});

Deno.test("flush() gives up on a datagram in the end, though ICMP errors keep coming", () => {
  using side = joined({
    send: Array(30).fill(-Errno.ECONNREFUSED),
    kept: Array(30).fill(1),
  });
  side.send(1);
  assert.equal(side.asked.send.length, 9);
  assert.deepEqual(side.counted(), { sent: 0, "peer-unreachable": 1 });
});

Deno.test("flush() tells what a packet filter refused from what nothing encrypts", () => {
  for (const [mark, reason] of [[0, "filtered"], [7, "ipsec-missing"]] as const) {
    using side = joined({ send: [-Errno.EPERM], mark });
    side.send(1);
    assert.deepEqual(side.counted(), { sent: 0, [reason]: 1 });
  }
});

Deno.test("flush() looks why a datagram is refused with EINVAL", () => {
  using side = joined({ send: [1, -Errno.EINVAL] });
  side.send(3);
  assert.deepEqual(side.looked, [1]);
  assert.deepEqual(side.counted(), { sent: 2, "no-source-address": 1 });
});

Deno.test("a group that leaves singly without error is not grouped for a while", () => {
  for (const [errno, longest] of [[Errno.EINVAL, 111], [Errno.EIO, 0]] as const) {
    using side = joined({ send: [-errno] }, { segment: true });
    side.send(4);
    assert.deepEqual(side.asked.send, [1, 4]);
    assert.deepEqual(side.counted(), { sent: 4 });
    assert.deepEqual(side.limits(1000), [{ longest, errno, retryInMs: 9000 }]);
    side.send(4);
    assert.deepEqual(side.asked.send, [1, 4, 4]);
  }
});

Deno.test("a group whose datagrams fail singly too says nothing of grouping", () => {
  using side = joined({ send: Array(5).fill(-Errno.EINVAL) }, { segment: true });
  side.send(4);
  assert.deepEqual(side.counted(), { sent: 0, "no-source-address": 4 });
  assert.deepEqual(side.limits(0), []);
  side.send(4);
  assert.deepEqual(side.asked.send, [1, 4, 3, 2, 1, 1]);
});

Deno.test("a group is never given up for an ICMP error", () => {
  using side = joined({ send: [-Errno.EMSGSIZE], kept: [1] }, { segment: true });
  side.send(4);
  assert.deepEqual(side.asked.send, [1, 1]);
  assert.deepEqual([side.counted(), side.limits(0)], [{ sent: 4 }, []]);
});

Deno.test("flush() drops the frame that a device refuses, and writes the others", () => {
  using side = joined({ write: [-Errno.EINTR, 100, -Errno.EIO] }, { device: true });
  side.send(4);
  assert.equal(side.asked.write, 5);
  assert.deepEqual(side.counted(), { sent: 0, "device-down": 1 });
});
