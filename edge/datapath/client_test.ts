import assert from "node:assert/strict";
import type { Endpoint } from "../../core/endpoint.ts";
import { signalEventfd } from "../io/eventfd.ts";
import { cString, hollow, openLibc } from "../io/libc.ts";
import { openUdpSocket } from "../io/sockets.ts";
import { startDatapath } from "./client.ts";
import type { ControlDatagram } from "./datapath.ts";
import { toWorkerBytes } from "./protocol.ts";
import { controlRecordSize } from "./records.ts";
import {
  addTunnel,
  collectAt,
  type Lcce,
  openDescriptors,
  sessionSpec,
  sleep,
  startLcce,
  until,
} from "./testing.ts";

/** An L2TPv3 control message without AVPs over UDP: T, L and S bits, version 3 (RFC 3931 §3.2.1). */
function controlMessage(ns: number, extra = 0): Uint8Array {
  const bytes = new Uint8Array(12 + extra);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0xc803);
  view.setUint16(2, bytes.length);
  view.setUint32(4, 0xabcd_0001);
  view.setUint16(8, ns);
  return bytes;
}

/** Collects copies of control messages. */
function collectControl({ datapath }: Lcce): ControlDatagram[] {
  const messages: ControlDatagram[] = [];
  datapath.onControl = (batch) => {
    for (const message of batch) messages.push({ ...message, data: message.data.slice() });
  };
  return messages;
}

/** Descriptors open once a worker has come and gone: the first one makes Deno open some for good. */
async function descriptorsBefore(): Promise<number> {
  await (await startDatapath())[Symbol.asyncDispose]();
  await sleep(50);
  return openDescriptors();
}

/** Waits until no more are open. Of each worker that ended, Deno 2.9 keeps its runtime's eventfd and epoll. */
async function descriptorsAfter(before: number): Promise<void> {
  await until(() => openDescriptors() <= before + 2, () => `${openDescriptors()} > ${before} + 2`);
}

for (const [wildcard, loopback] of [["0.0.0.0", "127.0.0.1"], ["::", "::1"]] as const) {
  Deno.test(`control messages arrive with both addresses on ${wildcard}, and are answered`, async () => {
    await using a = await startLcce({ local: { address: loopback, port: 0 } });
    await using b = await startLcce({ local: { address: wildcard, port: 0 } });
    const [atA, atB] = [collectControl(a), collectControl(b)];
    const remote: Endpoint = { address: loopback, port: b.local.port };
    const data = controlMessage(1);
    assert.ok(a.datapath.sendControl([{ socket: a.socket, remote, local: loopback, data }]));
    await until(() => atB.length === 1);
    assert.deepEqual(atB, [{ socket: b.socket, remote: a.local, local: loopback, data }]);

    const answer = { ...atB[0]!, data: controlMessage(2) };
    assert.ok(b.datapath.sendControl([answer, { ...answer, data: controlMessage(3) }]));
    await until(() => atA.length === 2);
    assert.deepEqual(atA.map(({ data }) => data), [controlMessage(2), controlMessage(3)]);
    assert.deepEqual(atA.map(({ remote }) => remote), [remote, remote]);
  });
}

Deno.test("sendControl() sends from the address that it is told", async () => {
  await using a = await startLcce({ local: { address: "0.0.0.0", port: 0 } });
  await using b = await startLcce();
  const atB = collectControl(b);
  const to = { socket: a.socket, remote: b.local, data: controlMessage(1) };
  a.datapath.sendControl([{ ...to, local: "127.0.0.77" }]);
  await until(() => atB.length === 1);
  assert.deepEqual(atB[0]!.remote, { address: "127.0.0.77", port: a.local.port });
});

Deno.test("sendControl() refuses beyond its bound, counts it, and works again", async () => {
  await using a = await startLcce();
  await using b = await startLcce();
  const atB = collectControl(b);
  const message = { socket: a.socket, remote: b.local, local: "0.0.0.0" };
  const batch = Array.from(
    { length: 100 },
    (_, ns) => ({ ...message, data: controlMessage(ns, 4000) }),
  );
  let accepted = 0;
  while (a.datapath.sendControl(batch)) accepted++;
  assert.equal(accepted, Math.floor(toWorkerBytes / (100 * controlRecordSize(4012))));
  assert.equal((await a.datapath.stats()).drops["control-queue-full"], 100);
  assert.ok(a.datapath.sendControl([{ ...message, data: controlMessage(0xffff) }]));
  await until(() => atB.some(({ data }) => data.length === 12));
});

Deno.test("commands are refused with the code that says why, and change nothing", async () => {
  await using a = await startLcce();
  const { datapath } = a;
  const none = 0x7fff as never;
  const tunnel = await addTunnel(a, a, 1);
  const session = await datapath.addSession(tunnel, sessionSpec(11));
  const host = await collectAt(datapath, session);
  await assert.rejects(datapath.removeSocket(none), { code: "no-such-socket" });
  await assert.rejects(datapath.removeSocket(a.socket), { code: "socket-busy" });
  await assert.rejects(addTunnel(a, a, 1), { code: "tunnel-exists" });
  await assert.rejects(addTunnel({ ...a, socket: none }, a, 2), { code: "no-such-socket" });
  const nowhere = { address: "x", port: 1 };
  await assert.rejects(addTunnel(a, { local: nowhere }, 2), { code: "invalid" });
  await assert.rejects(datapath.removeTunnel(tunnel), { code: "tunnel-busy" });
  await assert.rejects(datapath.removeTunnel(none), { code: "no-such-tunnel" });
  const same = datapath.addSession(tunnel, sessionSpec(11));
  await assert.rejects(same, { code: "session-exists" });
  await assert.rejects(datapath.removePort(none), { code: "no-such-port" });
  await assert.rejects(datapath.crossConnect(session, host.port), { code: "port-joined" });
  const ppp = await datapath.addHostPort("ppp", () => {});
  await datapath.disconnect(session);
  await assert.rejects(datapath.crossConnect(session, ppp), { code: "frame-type-mismatch" });
  await datapath.removePort(session);
  await datapath.removeTunnel(tunnel);
  await datapath.removeSocket(a.socket);
});

Deno.test("what was sent before a removal leaves before it", async () => {
  await using a = await startLcce();
  await using b = await startLcce();
  const atB = collectControl(b);
  const message = { socket: a.socket, remote: b.local, local: "0.0.0.0" };
  a.datapath.sendControl([{ ...message, data: controlMessage(1) }]);
  await a.datapath.removeSocket(a.socket);
  await until(() => atB.length === 1);
});

Deno.test("what is sent by way of something that is just being removed is dropped by name", async () => {
  await using a = await startLcce();
  const host = await a.datapath.addHostPort("ethernet", () => {});
  const removals = [a.datapath.removePort(host), a.datapath.removeSocket(a.socket)];
  assert.ok(a.datapath.inject(host, [new Uint8Array(60)]));
  const message = { socket: a.socket, remote: a.local, local: "0.0.0.0" };
  assert.ok(a.datapath.sendControl([{ ...message, data: controlMessage(1) }]));
  await Promise.all(removals);
  const { drops } = await a.datapath.stats();
  assert.equal(drops["no-such-port"], 1);
  assert.equal(drops["no-such-socket"], 1);
  assert.equal(a.datapath.inject(host, [new Uint8Array(60)]), false);
});

Deno.test("addSocket() leaves a descriptor that cannot be watched to its owner", async () => {
  await using datapath = await startDatapath();
  using libc = openLibc();
  const regular = libc.call.open(cString("/proc/self/maps"), 0, 0);
  await assert.rejects(datapath.addSocket(regular, "udp4"), { code: "invalid" });
  assert.equal(libc.call.close(regular), 0);
});

Deno.test("disposal closes what was handed over, and everything is refused from then on", async () => {
  const before = await descriptorsBefore();
  const a = await startLcce();
  const tunnel = await addTunnel(a, a, 1);
  await collectAt(a.datapath, await a.datapath.addSession(tunnel, sessionSpec(11)));
  const asked = a.datapath.stats();
  await a[Symbol.asyncDispose]();
  await asked; // it was asked before
  await assert.rejects(a.datapath.stats(), { code: "stopped" });
  await assert.rejects(addTunnel(a, a, 2), { code: "stopped" });
  const message = { socket: a.socket, remote: a.local, local: "0.0.0.0" };
  assert.equal(a.datapath.sendControl([{ ...message, data: controlMessage(1) }]), false);
  await a[Symbol.asyncDispose]();
  await descriptorsAfter(before);
});

Deno.test("a worker that fails rejects what was asked, tells why, and leaves nothing open", async () => {
  const before = await descriptorsBefore();
  const workers: Worker[] = [];
  const { Worker: RealWorker } = globalThis;
  globalThis.Worker = class extends RealWorker {
    constructor(...args: ConstructorParameters<typeof Worker>) {
      super(...args);
      workers.push(this);
    }
  };
  try {
    const { datapath } = await startLcce();
    const failure = Promise.withResolvers<Error>();
    datapath.onFailure = failure.resolve;
    workers[0]!.postMessage(null); // no message of the protocol
    await assert.rejects(datapath.stats(), { code: "stopped", message: /worker failed/ });
    assert.match((await failure.promise).message, /TypeError/);
    await assert.rejects(datapath.stats(), { code: "stopped" });
    await datapath[Symbol.asyncDispose]();
  } finally {
    globalThis.Worker = RealWorker;
  }
  await descriptorsAfter(before);
});

Deno.test("startDatapath() says that its limits are wrong, and leaves nothing open", async () => {
  const before = await descriptorsBefore();
  await assert.rejects(startDatapath({ maxSessions: -1 }), { code: "invalid" });
  await assert.rejects(startDatapath({ puntBytes: 1.5 }), { code: "invalid" });
  await descriptorsAfter(before);
});

Deno.test("two datapaths in one process do not disturb each other", async () => {
  await using a = await startLcce();
  const b = await startLcce();
  await b[Symbol.asyncDispose]();
  using libc = openLibc();
  const { fd, kind } = openUdpSocket(libc, { local: { address: "127.0.0.1", port: 0 } });
  await a.datapath.removeSocket(await a.datapath.addSocket(fd, kind));
  assert.notEqual(libc.call.close(fd), 0);
});

/** How many are open once what other tests ended is closed. */
async function settledDescriptors(): Promise<number> {
  for (let last = -1;;) {
    const now = openDescriptors();
    if (now === last) return now;
    last = now;
    await sleep(300);
  }
}

Deno.test("nothing stays open where a worker cannot be made", async () => {
  const before = await settledDescriptors();
  const { Worker } = globalThis;
  globalThis.Worker = class {
    constructor() {
      throw new RangeError("no more threads");
    }
  } as unknown as typeof Worker;
  try {
    await assert.rejects(startDatapath(), /no more threads/);
  } finally {
    globalThis.Worker = Worker;
  }
  assert.equal(openDescriptors(), before);
});

const FIONBIO = 0x5421n;

Deno.test("a worker that hangs is seen, and seen to be well again", async () => {
  await using datapath = await startDatapath({}, { heartbeatMs: 20 });
  const seen: boolean[] = [];
  datapath.onResponsive = (responsive) => seen.push(responsive);
  await sleep(300);
  assert.deepEqual([seen, datapath.responsive], [[], true]);
  using libc = openLibc();
  // A device that blocks: no TAP of ours does. One read gives something, the next one waits for ever.
  const fd = libc.call.eventfd(1, 0);
  await datapath.addDevice(fd, { frames: "ethernet" }, () => {});
  await until(() => !datapath.responsive);
  await sleep(200);
  assert.deepEqual(seen, [false]);
  libc.call.ioctl(fd, FIONBIO, Int32Array.of(1));
  signalEventfd(libc, fd);
  await until(() => datapath.responsive);
  assert.deepEqual(seen, [false, true]);
});

Deno.test("a worker that has to be ended keeps the numbers of its descriptors, which stand for nothing", async () => {
  using libc = openLibc();
  const datapath = await startDatapath({}, { stopGraceMs: 50 });
  const { fd, kind, local } = openUdpSocket(libc, { local: { address: "127.0.0.1", port: 0 } });
  await datapath.addSocket(fd, kind);
  const device = libc.call.eventfd(1, 0);
  const other = libc.call.dup3(device, 900, 0);
  await datapath.addDevice(device, { frames: "ethernet" }, () => {});
  await sleep(50);
  await datapath[Symbol.asyncDispose]();
  for (const number of [fd, device]) {
    assert.equal(await Deno.readLink(`/proc/self/fd/${number}`), "/dev/null");
  }
  // The socket itself is closed: another may have its address.
  const again = openUdpSocket(libc, { local });
  libc.call.close(again.fd);
  signalEventfd(libc, other); // lets the thread go on, which ends it
  await sleep(50);
  for (const number of [fd, device, other]) libc.call.close(number);
});

Deno.test("a socket that fails for good is told once, and read again when it is another", async () => {
  await using a = await startLcce();
  await using b = await startLcce();
  using libc = openLibc();
  const failures: string[] = [];
  a.datapath.onSocketFailure = (socket, error) => failures.push(`${socket === a.socket} ${error}`);
  const atA = collectControl(a);
  const [fd] = descriptorsOf(a.local.port);
  hollow(libc, fd!);
  await until(() => failures.length > 0);
  await sleep(50);
  assert.deepEqual(failures, ["true ENOTSOCK"]);
  const { fd: fresh } = openUdpSocket(libc, { local: a.local });
  libc.call.dup3(fresh, fd!, 0);
  libc.call.close(fresh);
  await a.datapath.rewatchSocket(a.socket);
  const data = controlMessage(1);
  b.datapath.sendControl([{ socket: b.socket, remote: a.local, local: "127.0.0.1", data }]);
  await until(() => atA.length === 1);
});

/** Descriptors of this process that are UDP sockets bound to a port of IPv4. */
function descriptorsOf(port: number): number[] {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const line = Deno.readTextFileSync("/proc/net/udp").split("\n")
    .find((line) => line.includes(`:${hex} 00000000:0000`));
  const inode = line!.trim().split(/\s+/)[9];
  return [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => name).filter((name) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`) === `socket:[${inode}]`;
    } catch {
      return false;
    }
  }).map(Number);
}
