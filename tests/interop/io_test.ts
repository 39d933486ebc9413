/**
 * What of edge/io needs root: TAP devices, raw IP sockets and namespaces.
 * Run with `deno task interop`.
 */

import assert from "node:assert/strict";
import { inNetns } from "../../edge/io/netns.ts";
import { type Libc, openLibc } from "../../edge/io/libc.ts";
import { pathMtu } from "../../edge/io/path_mtu.ts";
import { openRtnetlink } from "../../edge/io/rtnetlink.ts";
import { openIpSocket, openUdpSocket } from "../../edge/io/sockets.ts";
import { openTap, setTapCarrier } from "../../edge/io/tap.ts";
import type { Offload } from "../../plugins/plugin.ts";

const ignore = Deno.uid() !== 0;

Deno.test({
  name: "openTap() makes a device in a namespace, which vanishes with its descriptor",
  ignore,
  fn: () =>
    withNetns((libc, netns) => {
      const home = Deno.readLinkSync("/proc/thread-self/ns/net");
      const tap = openTap(libc, "isthmus%d", netns);
      assert.equal(Deno.readLinkSync("/proc/thread-self/ns/net"), home);
      assert.deepEqual([tap.name, tap.adopted], ["isthmus0", false]);
      using here = openRtnetlink(libc);
      using there = openRtnetlink(libc, netns);
      assert.equal(here.link(tap.name), undefined);
      assert.ok(there.link(tap.name));
      libc.call.close(tap.fd);
      assert.equal(there.link(tap.name), undefined);
    }),
});

Deno.test({
  name: "openTap() adopts a device that was there, which outlives its descriptor",
  ignore,
  fn: () =>
    withNetns((libc, netns) => {
      ip("-n", netns, "tuntap", "add", "mode", "tap", "name", "office0");
      const tap = openTap(libc, "office0", netns);
      assert.deepEqual([tap.name, tap.adopted], ["office0", true]);
      assert.throws(() => openTap(libc, "office0", netns), { code: "EBUSY" });
      libc.call.close(tap.fd);
      using netlink = openRtnetlink(libc, netns);
      assert.ok(netlink.link("office0"));
    }),
});

Deno.test({
  name:
    "openTap() settles checksums, TCP and UDP super-frames, or plain frames where it is told so",
  ignore,
  fn: () =>
    withNetns((libc, netns) => {
      const has = (offload?: Offload) => {
        const tap = openTap(libc, "isthmus0", netns, offload);
        const features = ethtool(netns, "isthmus0");
        libc.call.close(tap.fd);
        return [tap.vnet, features("tcp-segmentation-offload"), features("tx-checksumming")];
      };
      const all = { checksum: true, tcp: true, udp: true };
      const none = { checksum: true, tcp: false, udp: false };
      assert.deepEqual(has(), [all, true, true]);
      assert.deepEqual(has({ gso: false }), [all, false, true]);
      assert.deepEqual(has({ gro: false }), [none, true, true]);
      assert.deepEqual(has({ vnet: false }), [undefined, false, false]);
    }),
});

Deno.test({
  name: "a device that outlives its holders is in the mode of the last one that opened it",
  ignore,
  fn: () =>
    withNetns((libc, netns) => {
      ip("-n", netns, "tuntap", "add", "mode", "tap", "name", "office0");
      ip("-n", netns, "address", "add", "192.168.9.1/24", "dev", "office0");
      ip("-n", netns, "link", "set", "office0", "up");
      /** What the device gives of an ARP request: a header before it or not. */
      const given = (offload?: Offload) => {
        const tap = openTap(libc, "office0", netns, offload);
        try {
          inNetns(libc, netns, () => {
            // Nobody is there to answer; the datagram waits for the neighbour, the request goes out.
            const socket = openUdpSocket(libc, {
              local: { address: "192.168.9.1", port: 0 },
              remote: { address: `192.168.9.${nextNeighbour++}`, port: 9 },
            });
            libc.call.send(socket.fd, Uint8Array.of(1), 1n, 0);
            libc.call.close(socket.fd);
          });
          for (const end = performance.now() + 5000; performance.now() < end;) {
            const frame = new Uint8Array(2048);
            const length = libc.call.read(tap.fd, frame, 2048n);
            if (length < 0) {
              Atomics.wait(nothing, 0, 0, 2);
              continue;
            }
            const start = tap.vnet ? 10 : 0;
            if (frame[start + 12] === 8 && frame[start + 13] === 6) return [start, tap.vnet];
          }
          return "no request came";
        } finally {
          libc.call.close(tap.fd);
        }
      };
      let nextNeighbour = 2;
      const nothing = new Int32Array(new SharedArrayBuffer(4));
      const all = { checksum: true, tcp: true, udp: true };
      for (let round = 0; round < 2; round++) {
        assert.deepEqual(given(), [10, all]);
        assert.deepEqual(given({ vnet: false }), [0, undefined]);
        assert.equal(ethtool(netns, "office0")("tcp-segmentation-offload"), false);
      }
    }),
});

Deno.test({
  name:
    "openTap() refuses another device's name, and one that is too long, and leaves nothing open",
  ignore,
  fn: () =>
    withNetns((libc, netns) => {
      const before = openDescriptors();
      assert.throws(() => openTap(libc, "lo", netns), { code: "EINVAL" });
      assert.throws(() => openTap(libc, "a-name-of-16-let", netns), { code: "ENAMETOOLONG" });
      assert.equal(openDescriptors(), before);
    }),
});

Deno.test({
  name: "inNetns() comes back when the work throws",
  ignore,
  fn: () =>
    withNetns((libc, netns) => {
      const home = Deno.readLinkSync("/proc/thread-self/ns/net");
      const work = () => {
        assert.notEqual(Deno.readLinkSync("/proc/thread-self/ns/net"), home);
        throw new RangeError("thrown inside");
      };
      assert.throws(() => inNetns(libc, netns, work), RangeError);
      assert.equal(Deno.readLinkSync("/proc/thread-self/ns/net"), home);
    }),
});

Deno.test({
  name: "setLink(), addAddress() and setTapCarrier() change a TAP as ip shows it",
  ignore,
  fn: () =>
    withNetns((libc, netns) => {
      const tap = openTap(libc, "office0", netns);
      using netlink = openRtnetlink(libc, netns);
      const link = () => netlink.link("office0")!;
      const { index } = link();

      netlink.setLink(index, { mtu: 1446, mac: "02:00:00:00:77:01", up: true });
      assert.deepEqual({ ...link() }, {
        index,
        name: "office0",
        mtu: 1446,
        mac: "02:00:00:00:77:01",
        up: true,
        master: 0,
        carrier: true,
        txDropped: 0,
      });
      setTapCarrier(libc, tap.fd, false);
      assert.equal(link().carrier, false);
      setTapCarrier(libc, tap.fd, true);
      assert.equal(link().carrier, true);
      assert.throws(
        () => netlink.setLink(index, { mtu: 1_000_000 }),
        {
          code: "EINVAL",
          message:
            /^Cannot set MTU 1000000 on device \d+: rtnetlink: EINVAL \(mtu greater than device maximum\)$/,
        },
      );

      netlink.addAddress(index, "192.168.7.1/24");
      netlink.addAddress(index, "fd00:7::1/64");
      assert.throws(() => netlink.addAddress(index, "192.168.7.1/24"), { code: "EEXIST" });
      const configured = () => netlink.addresses(index).filter((text) => !text.startsWith("fe80:"));
      assert.deepEqual(configured(), ["192.168.7.1/24", "fd00:7::1/64"]);
      assert.match(ip("-n", netns, "address", "show", "office0"), /inet6 fd00:7::1\/64/);
      netlink.removeAddress(index, "fd00:7::1/64");
      assert.throws(() => netlink.removeAddress(index, "fd00:7::1/64"), { code: "EADDRNOTAVAIL" });
      assert.deepEqual(configured(), ["192.168.7.1/24"]);

      netlink.setLink(index, { up: false });
      assert.equal(link().up, false);
      assert.equal(link().mac, "02:00:00:00:77:01");
      libc.call.close(tap.fd);
    }),
});

Deno.test({
  name: "addresses() lists more than one netlink datagram holds",
  ignore,
  fn: () =>
    withNetns((libc, netns) => {
      const tap = openTap(libc, "office0", netns);
      using netlink = openRtnetlink(libc, netns);
      const { index } = netlink.link("office0")!;
      const wanted = Array.from({ length: 1500 }, (_, i) => `10.9.${i >> 8}.${i & 255}/32`);
      for (const address of wanted) netlink.addAddress(index, address);
      assert.deepEqual(netlink.addresses(index), wanted);
      libc.call.close(tap.fd);
    }),
});

Deno.test({
  name: "pathMtu() follows the device, and says where there is no route",
  ignore,
  fn: () =>
    withNetns((libc, netns) => {
      const tap = openTap(libc, "under0", netns);
      using netlink = openRtnetlink(libc, netns);
      const { index } = netlink.link("under0")!;
      netlink.addAddress(index, "10.77.0.1/24");
      netlink.setLink(index, { mtu: 1400, up: true });
      const mtu = (local: string, remote: string) =>
        inNetns(libc, netns, () => pathMtu(libc, local, remote));
      assert.equal(mtu("10.77.0.1", "10.77.0.2"), 1400);
      assert.equal(mtu("0.0.0.0", "10.77.0.2"), 1400);
      assert.throws(() => mtu("0.0.0.0", "10.78.0.2"), { code: "ENETUNREACH" });
      libc.call.close(tap.fd);
    }),
});

Deno.test({
  name:
    "openIpSocket() opens protocol 115 on IPv4 and IPv6, with buffers beyond the system's limit",
  ignore,
  fn: () =>
    withNetns((libc, netns) => {
      ip("-n", netns, "link", "set", "lo", "up");
      for (const address of ["127.0.0.1", "::1", "0.0.0.0", "::"]) {
        const socket = inNetns(libc, netns, () =>
          openIpSocket(libc, { local: { address, port: 0 } }));
        assert.deepEqual(socket.local, { address, port: 0 });
        assert.equal(socket.kind, address.includes(":") ? "ip6" : "ip4");
        assert.equal(socket.receiveBuffer, 16 << 20); // the kernel doubles what it is asked for
        libc.call.close(socket.fd);
      }
    }),
});

Deno.test({
  name: "openUdpSocket() opens in a namespace",
  ignore,
  fn: () =>
    withNetns((libc, netns) => {
      ip("-n", netns, "link", "set", "lo", "up");
      ip("-n", netns, "address", "add", "10.77.0.9/32", "dev", "lo");
      const local = { address: "10.77.0.9", port: 1701 };
      assert.throws(() => openUdpSocket(libc, { local }), { code: "EADDRNOTAVAIL" });
      const socket = inNetns(libc, netns, () => openUdpSocket(libc, { local }));
      assert.deepEqual(socket.local, local);
      libc.call.close(socket.fd);
    }),
});

/** Runs `test` with a namespace of its own. */
function withNetns(test: (libc: Libc, netns: string) => void): void {
  using libc = openLibc();
  const netns = `isthmus-io-${Deno.pid}`;
  ip("netns", "add", netns);
  try {
    test(libc, netns);
  } finally {
    ip("netns", "delete", netns);
  }
}

function ip(...args: string[]): string {
  return output("ip", args);
}

/** Whether a device has an offload switched on. */
function ethtool(netns: string, device: string): (feature: string) => boolean {
  const text = output("ip", ["netns", "exec", netns, "ethtool", "-k", device]);
  return (feature) => new RegExp(`^${feature}: on`, "m").test(text);
}

function output(command: string, args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(command, { args }).outputSync();
  assert.ok(success, `${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

function openDescriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}
