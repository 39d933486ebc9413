/** The datapath worker with TAP devices and protocol 115, which need root. Run with `deno task interop`. */

import assert from "node:assert/strict";
import {
  addTunnel,
  collectAt,
  frameOf,
  type Lcce,
  sessionSpec,
  startLcce,
  until,
} from "../../edge/datapath/testing.ts";
import { startDatapath } from "../../edge/datapath/client.ts";
import { type Libc, openLibc } from "../../edge/io/libc.ts";
import { inNetns } from "../../edge/io/netns.ts";
import { openRtnetlink } from "../../edge/io/rtnetlink.ts";
import { openIpSocket } from "../../edge/io/sockets.ts";
import { openTap } from "../../edge/io/tap.ts";

const ignore = Deno.uid() !== 0;

/** A TAP that is up, cross-connected to a session whose other end is a collecting host port. */
async function tapToHost(libc: Libc, netns: string, a: Lcce, b: Lcce, gone: () => void) {
  const tap = openTap(libc, "isthmus0", netns);
  using netlink = openRtnetlink(libc, netns);
  netlink.setLink(netlink.link(tap.name)!.index, { mtu: 9000, up: true });
  const port = await a.datapath.addDevice(
    tap.fd,
    { frames: "ethernet", ...(tap.vnet && { vnet: tap.vnet }) },
    gone,
  );
  const session = await a.datapath.addSession(await addTunnel(a, b, 1), sessionSpec(11));
  await a.datapath.crossConnect(port, session);
  const far = await b.datapath.addSession(await addTunnel(b, a, 1), sessionSpec(11));
  return { port, session, far: await collectAt(b.datapath, far) };
}

Deno.test({
  name: "a TAP's frames cross a session, and what comes back is written to it",
  ignore,
  fn: () =>
    withNetns(async (libc, netns) => {
      await using a = await startLcce();
      await using b = await startLcce();
      const { session, far } = await tapToHost(libc, netns, a, b, () => {});
      // The kernel itself speaks first: neighbour discovery on the new device.
      await far.received(1);
      const frames = Array.from({ length: 100 }, (_, i) => frameOf(i, i % 2 ? 60 : 9014));
      b.datapath.inject(far.port, frames);
      await until(() => receivedOn(netns, "isthmus0") === 100);
      const { sessions, drops } = await a.datapath.stats();
      assert.equal(sessions.get(session)!["rx-packets"], 100);
      assert.equal(drops["device-down"], 0);
    }),
});

Deno.test({
  name: "a TAP that is down drops frames by name; one that is deleted is gone, once",
  ignore,
  fn: () =>
    withNetns(async (libc, netns) => {
      await using a = await startLcce();
      await using b = await startLcce();
      let gone = 0;
      const { port, far } = await tapToHost(libc, netns, a, b, () => gone++);
      ip("-n", netns, "link", "set", "isthmus0", "down");
      b.datapath.inject(far.port, [frameOf(1, 60), frameOf(2, 60)]);
      const drops = async () => (await a.datapath.stats()).drops;
      await until(async () => (await drops())["device-down"] === 2);
      assert.equal(gone, 0);

      ip("-n", netns, "link", "delete", "isthmus0");
      await until(() => gone === 1);
      const before = (await a.datapath.stats()).io["wake-ups"]!;
      b.datapath.inject(far.port, [frameOf(3, 60)]);
      await until(async () => (await drops())["device-gone"] === 1);
      assert.ok((await a.datapath.stats()).io["wake-ups"]! - before < 100);
      assert.equal(gone, 1);
      await a.datapath.removePort(port);
      await assert.rejects(a.datapath.removePort(port), { code: "no-such-port" });
    }),
});

for (const [local, remote] of [["10.77.0.1", "10.77.0.2"], ["fd77::1", "fd77::2"]] as const) {
  Deno.test({
    name: `frames and control messages cross IP protocol 115 between ${local} and ${remote}`,
    ignore,
    fn: () =>
      withNetns(async (libc, netns) => {
        ip("-n", netns, "link", "set", "lo", "up");
        const start = async (address: string): Promise<Lcce> => {
          ip("-n", netns, "address", "add", address, "dev", "lo", "nodad");
          const socket = inNetns(
            libc,
            netns,
            () => openIpSocket(libc, { local: { address, port: 0 } }),
          );
          const datapath = await startDatapath();
          return {
            datapath,
            socket: await datapath.addSocket(socket.fd, socket.kind),
            local: socket.local,
            [Symbol.asyncDispose]: () => datapath[Symbol.asyncDispose](),
          };
        };
        await using a = await start(local);
        await using b = await start(remote);
        const join = async (from: Lcce, to: Lcce) => {
          const tunnel = await addTunnel(from, to, 1, { encap: "ip", segment: false });
          return await collectAt(
            from.datapath,
            await from.datapath.addSession(tunnel, sessionSpec(11)),
          );
        };
        const [hostA, hostB] = [await join(a, b), await join(b, a)];
        const frames = Array.from({ length: 100 }, (_, i) => frameOf(i, 60 + i));
        a.datapath.inject(hostA.port, frames);
        await hostB.received(frames.length);
        assert.deepEqual(hostB.frames, frames);

        // RFC 3931 §4.1.1.2: a session id of 0 before the control message, which the datapath puts on and takes off.
        const message = new Uint8Array(12);
        message.set([0xc8, 0x03, 0, 12]);
        const got = Promise.withResolvers<void>();
        b.datapath.onControl = ([datagram]) => {
          assert.deepEqual(datagram!.data.slice(), message);
          assert.deepEqual(datagram!.remote, a.local);
          assert.equal(datagram!.local, remote);
          got.resolve();
        };
        const to = { socket: a.socket, remote: b.local, local, data: message };
        a.datapath.sendControl([to]);
        await got.promise;
      }),
  });
}

function receivedOn(netns: string, device: string): number {
  const [link] = JSON.parse(ip("-n", netns, "-s", "-j", "link", "show", device));
  return link.stats64.rx.packets;
}

/** Runs `test` with a namespace of its own. */
async function withNetns(test: (libc: Libc, netns: string) => Promise<void>): Promise<void> {
  using libc = openLibc();
  const netns = `isthmus-dp-${Deno.pid}`;
  ip("netns", "add", netns);
  try {
    await test(libc, netns);
  } finally {
    ip("netns", "delete", netns);
  }
}

function ip(...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command("ip", { args }).outputSync();
  assert.ok(success, `ip ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}
