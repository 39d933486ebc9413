import assert from "node:assert/strict";
import { openLibc } from "./libc.ts";
import { openSystem } from "./system.ts";
import { makeNamespace, namespacesAvailable } from "../testing/netns.ts";

const ignore = !namespacesAvailable();

Deno.test("notify() sends to the service manager's socket, named or abstract", () => {
  using libc = openLibc();
  const directory = Deno.makeTempDirSync();
  const paths = [`${directory}/notify`, `@isthmus-test-${Deno.pid}`];
  try {
    for (const path of paths) {
      const name = new TextEncoder().encode(
        `\x01\0${path.replace("@", "\0")}${path.startsWith("@") ? "" : "\0"}`,
      );
      const fd = libc.call.socket(1, 2, 0);
      assert.equal(libc.call.bind(fd, name, name.length), 0);
      using system = openSystem(path);
      system.notify("READY=1");
      const room = new Uint8Array(64);
      const length = libc.call.recv(fd, room, 64n, 0x40);
      assert.equal(new TextDecoder().decode(room.subarray(0, Math.max(0, length))), "READY=1");
      libc.call.close(fd);
    }
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("notify() does nothing where nobody listens", () => {
  for (const path of [undefined, "", "/nonexistent/notify", "x".repeat(200)]) {
    using system = openSystem(path);
    system.notify("READY=1");
  }
});

Deno.test("openSocket() lets connected sockets share a listener's port", () => {
  using system = openSystem();
  using libc = openLibc();
  const listener = system.openSocket("udp", { local: { address: "127.0.0.1", port: 0 } });
  const name = new Uint8Array(16);
  libc.call.getsockname(listener.fd, name, Int32Array.of(16));
  const local = { address: "127.0.0.1", port: new DataView(name.buffer).getUint16(2) };
  const connected = system.openSocket("udp", { local, remote: { address: "127.0.0.2", port: 9 } });
  assert.throws(() => system.openSocket("udp", { local }), { code: "EADDRINUSE" });
  const beside = system.openSocket("udp", {
    local: { address: "0.0.0.0", port: local.port },
    shared: true,
  });
  for (const { fd } of [listener, connected, beside]) system.close(fd);
});

Deno.test("pathMtu() knows loopback's, and nothing without a route", () => {
  using system = openSystem();
  assert.ok(system.pathMtu("127.0.0.1", "127.0.0.1")! >= 1500);
  assert.equal(system.pathMtu("198.51.100.1", "127.0.0.1"), undefined);
});

Deno.test({
  name: "openTap() makes a device what its options say, and change() changes it",
  ignore,
  async fn() {
    await using space = await makeNamespace("sys");
    using system = openSystem();
    const tap = system.openTap({
      name: "office0",
      netns: space.name,
      mtu: 1400,
      mac: "02:00:00:00:00:07",
      addresses: ["192.168.7.1/24", "fd00:7::1/64"],
    });
    const show = () => space.ip("address", "show", "dev", "office0");
    assert.match(
      (await show()).text,
      /mtu 1400[^]*02:00:00:00:00:07[^]*192\.168\.7\.1\/24[^]*fd00:7::1\/64/,
    );
    tap.setCarrier(false);
    assert.match((await show()).text, /NO-CARRIER/);
    tap.setCarrier(true);
    tap.change({ mtu: 1300, mac: "02:00:00:00:00:08", addresses: ["192.168.7.2/24"] });
    assert.deepEqual([tap.mtu(), tap.mac()], [1300, "02:00:00:00:00:08"]);
    const after = (await show()).text;
    assert.match(after, /LOWER_UP[^]*192\.168\.7\.2\/24/);
    assert.doesNotMatch(after, /192\.168\.7\.1|fd00:7::1/);
    tap.release(false);
    system.close(tap.fd);
    assert.equal((await show()).success, false);
  },
});

Deno.test({
  name: "openTap() adopts a device that exists, and takes back its own addresses only",
  ignore,
  async fn() {
    await using space = await makeNamespace("adopt");
    using system = openSystem();
    await space.ip("tuntap", "add", "dev", "office0", "mode", "tap");
    await space.ip("address", "add", "10.9.0.1/24", "dev", "office0");
    const addresses = ["10.9.0.1/24", "10.9.0.2/24"];
    const tap = system.openTap({ name: "office0", netns: space.name, addresses });
    assert.equal(tap.adopted, true);
    tap.release(true);
    system.close(tap.fd);
    const after = (await space.ip("address", "show", "dev", "office0")).text;
    assert.match(after, /10\.9\.0\.1\/24/);
    assert.doesNotMatch(after, /10\.9\.0\.2\/24/);
  },
});

Deno.test({
  name: "openTap() gives a device that it makes the same MAC each time, and another name another",
  ignore,
  async fn() {
    await using space = await makeNamespace("mac");
    using system = openSystem();
    const macs: string[] = [];
    for (const name of ["office0", "office0", "branch0"]) {
      const tap = system.openTap({ name, netns: space.name });
      macs.push(tap.mac());
      tap.release(false);
      system.close(tap.fd);
    }
    assert.equal(macs[0], macs[1]);
    assert.notEqual(macs[0], macs[2]);
    assert.match(macs[0]!, /^.[26ae]:/);
  },
});

Deno.test({
  name:
    "a TAP tells that its namespace was deleted, keeps nothing of it, and can be had in the next of that name",
  ignore,
  async fn() {
    using system = openSystem();
    const space = await makeNamespace("lost");
    const options = { name: "office0", netns: space.name };
    const [tap, other] = [system.openTap(options), system.openTap({ ...options, name: "b0" })];
    let lost = 0;
    for (const each of [tap, other]) each.onLost = () => lost++;
    await space[Symbol.asyncDispose]();
    const deadline = performance.now() + 10_000;
    while (lost < 2 && performance.now() < deadline) await sleep(50);
    assert.equal(lost, 2);
    assert.throws(() => system.openTap(options), { code: "ENOENT" });
    await using again = await makeNamespace("lost");
    const back = system.openTap(options);
    assert.equal((await again.ip("link", "show", "office0")).success, true);
    for (const each of [tap, other, back]) {
      each.release(false);
      system.close(each.fd);
    }
  },
});

Deno.test({
  name: "deviceQueueDrops() counts what a device's queue had no room for, after it is gone too",
  ignore,
  async fn() {
    await using space = await makeNamespace("drops");
    using system = openSystem();
    const tap = system.openTap({ name: "office0", netns: space.name, addresses: ["10.9.0.1/24"] });
    assert.equal(system.deviceQueueDrops(), 0);
    await space.ip("neighbour", "add", "10.9.0.2", "lladdr", "02:00:00:00:00:02", "dev", "office0");
    // Nobody reads.
    await new Deno.Command("ip", {
      args: [
        "netns",
        "exec",
        space.name,
        "ping",
        "-q",
        "-c",
        "3000",
        "-l",
        "2000",
        "-f",
        "-w",
        "3",
        "10.9.0.2",
      ],
      stdout: "null",
      stderr: "null",
    }).output();
    const drops = system.deviceQueueDrops();
    assert.ok(drops > 0);
    tap.release(false);
    system.close(tap.fd);
    assert.ok(system.deviceQueueDrops() >= drops);
  },
});

Deno.test({
  name: "openTun() makes a device of IP packets with its addresses and routes, which go with it",
  ignore,
  async fn() {
    await using space = await makeNamespace("tun");
    using system = openSystem();
    const tun = system.openTun({
      name: "ppp9",
      netns: space.name,
      mtu: 1400,
      addresses: ["10.9.0.1/32", "fd00:9::1/64"],
      routes: ["10.20.0.0/16", "fd00:20::/32"],
    });
    assert.ok(tun.vnet);
    assert.match((await space.ip("-d", "link", "show", "ppp9")).text, /mtu 1400[^]*tun type tun/);
    assert.match((await space.ip("route")).text, /10\.20\.0\.0\/16 dev ppp9/);
    assert.match((await space.ip("-6", "route")).text, /fd00:20::\/32 dev ppp9/);
    tun.release(false);
    system.close(tun.fd);
    assert.equal((await space.ip("link", "show", "ppp9")).success, false);
  },
});

Deno.test({
  name: "openPacket() refuses what is not there, tells when it vanishes, and leaves nothing open",
  ignore,
  async fn() {
    await using space = await makeNamespace("packet");
    using system = openSystem();
    assert.throws(() => system.openPacket({ name: "eth1", netns: space.name }), { code: "ENODEV" });
    await space.ip("link", "add", "eth1", "type", "veth", "peer", "name", "eth2");
    await space.ip("link", "set", "eth1", "mtu", "1400", "address", "02:00:00:00:00:07");
    const device = system.openPacket({ name: "eth1", netns: space.name, vlan: 10 });
    assert.deepEqual([device.exists(), device.mtu(), device.mac()], [
      true,
      1400,
      "02:00:00:00:00:07",
    ]);
    assert.match((await space.ip("-d", "link", "show", "eth1")).text, /promiscuity 1/);
    await space.ip("link", "del", "eth1");
    await space.ip("link", "add", "eth1", "type", "veth", "peer", "name", "eth2");
    assert.equal(device.exists(), false);
    device.release();
    system.close(device.fd);
  },
});

Deno.test("reopenSocket() puts a socket as it was in the place of one that failed", () => {
  using system = openSystem();
  const { fd, local } = system.openSocket("udp", { local: { address: "127.0.0.1", port: 0 } });
  system.reopenSocket(fd, "udp", { local });
  assert.throws(() => system.openSocket("udp", { local }), { code: "EADDRINUSE" });
  assert.match(Deno.readLinkSync(`/proc/self/fd/${fd}`), /^socket:/);
  system.close(fd);
});

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
