import assert from "node:assert/strict";
import type { Endpoint } from "../../core/endpoint.ts";
import { IoError } from "./errno.ts";
import { type Libc, openLibc } from "./libc.ts";
import { pathMtu } from "./path_mtu.ts";
import { openIpSocket, openUdpSocket, type SocketOptions } from "./sockets.ts";

const loopback: Endpoint = { address: "127.0.0.1", port: 0 };

/** Opens a socket for the length of a test. */
function open(libc: Libc, options: SocketOptions) {
  const socket = openUdpSocket(libc, options);
  return { ...socket, [Symbol.dispose]: () => void libc.call.close(socket.fd) };
}

function openDescriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

Deno.test("openUdpSocket() binds to a port that the kernel chooses, on IPv4 and IPv6", () => {
  using libc = openLibc();
  for (const address of ["127.0.0.1", "0.0.0.0", "::1", "::"]) {
    using socket = open(libc, { local: { address, port: 0 } });
    assert.equal(socket.local.address, address);
    assert.notEqual(socket.local.port, 0);
    assert.equal(socket.kind, address.includes(":") ? "udp6" : "udp4");
    assert.ok(socket.gro);
    assert.ok(socket.receiveBuffer > 200_000, `${socket.receiveBuffer}`);
  }
});

Deno.test("openUdpSocket() gives IPv4 and IPv6 the same port side by side", () => {
  using libc = openLibc();
  using four = open(libc, { local: { address: "0.0.0.0", port: 0 } });
  using six = open(libc, { local: { address: "::", port: four.local.port } });
  assert.equal(six.local.port, four.local.port);
});

Deno.test("openUdpSocket() refuses a second listener on one port, and leaves nothing open", () => {
  using libc = openLibc();
  using first = open(libc, { local: loopback });
  const before = openDescriptors();
  assert.throws(() => open(libc, { local: first.local }), (error) => {
    assert.ok(error instanceof IoError);
    assert.deepEqual([error.syscall, error.code], ["bind", "EADDRINUSE"]);
    assert.equal(
      error.message,
      `Cannot bind UDP 127.0.0.1:${first.local.port}: bind: EADDRINUSE`,
    );
    return true;
  });
  assert.equal(openDescriptors(), before);
});

Deno.test("openUdpSocket() lets connected sockets share a port, each with its own peer", () => {
  using libc = openLibc();
  const remote = (port: number): Endpoint => ({ address: "127.0.0.1", port });
  using first = open(libc, { local: loopback, remote: remote(9) });
  using second = open(libc, { local: first.local, remote: remote(10) });
  assert.deepEqual(second.local, first.local);
});

Deno.test("openUdpSocket() sets checksum options, on the family that has them", () => {
  using libc = openLibc();
  const off = { udp: false, zero6Tx: true, zero6Rx: true };
  using four = open(libc, { local: loopback, checksum: off });
  using six = open(libc, { local: { address: "::1", port: 0 }, checksum: off });
  assert.equal(getOption(libc, four.fd, 1, 11), 1); // SO_NO_CHECK
  assert.equal(getOption(libc, six.fd, 17, 101), 1); // UDP_NO_CHECK6_TX
  assert.equal(getOption(libc, six.fd, 17, 102), 1); // UDP_NO_CHECK6_RX
});

Deno.test("openUdpSocket() says that an address is not ours", () => {
  using libc = openLibc();
  const local = { address: "203.0.113.7", port: 1701 };
  assert.throws(() => open(libc, { local }), { code: "EADDRNOTAVAIL", syscall: "bind" });
});

Deno.test({
  name: "openIpSocket() needs a privilege, and says so",
  ignore: Deno.uid() === 0,
  fn() {
    using libc = openLibc();
    assert.throws(() => openIpSocket(libc, { local: loopback }), {
      code: "EPERM",
      syscall: "socket",
    });
  },
});

Deno.test("pathMtu() is the loopback device's towards loopback", () => {
  using libc = openLibc();
  const before = openDescriptors();
  assert.equal(pathMtu(libc, "127.0.0.1", "127.0.0.2"), 65535);
  assert.equal(pathMtu(libc, "0.0.0.0", "127.0.0.1"), 65535);
  assert.equal(pathMtu(libc, "::", "::1"), 65536);
  assert.throws(() => pathMtu(libc, "203.0.113.7", "127.0.0.1"), { code: "EADDRNOTAVAIL" });
  assert.equal(openDescriptors(), before);
});

function getOption(libc: Libc, fd: number, level: number, name: number): number {
  const value = new Int32Array(1);
  libc.check(
    libc.call.getsockopt(fd, level, name, value, Int32Array.of(4)),
    "getsockopt",
    "read an option",
  );
  return value[0]!;
}
