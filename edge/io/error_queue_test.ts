import assert from "node:assert/strict";
import { createErrorQueues, type KeptError, readKeptError } from "./error_queue.ts";
import { openLibc } from "./libc.ts";
import { emitSockaddr } from "./sockaddr.ts";
import { openUdpSocket } from "./sockets.ts";

const hex = (text: string) => Uint8Array.fromHex(text.replaceAll(" ", ""));

/** As the kernel lays them out: a cmsghdr (length 8 | level 4 | type 4), the error, the reporter's address. */
const v4 = (type: string, code: string, info = "00000000", origin = "02") =>
  hex(`3000000000000000 00000000 0b000000 6f000000 ${origin} ${type} ${code} 00 ${info} 00000000
       0200 0000 0a000009 0000000000000000`.replaceAll("\n", " "));
const v6 = (type: string, code: string, info = "00000000") =>
  hex(`3c00000000000000 29000000 19000000 6f000000 03 ${type} ${code} 00 ${info} 00000000
       0a00 0000 00000000 fd000000000000000000000000000009 00000000 00000000`.replaceAll(
    "\n",
    " ",
  ));

const peer4 = hex("0200 06a5 0a000002 0000000000000000");
const peer6 = hex("0a00 06a5 00000000 fd000000000000000000000000000002 00000000");

Deno.test("readKeptError() says what ICMP said, of whom, and who did (RFC 792, RFC 1812 §5.2.7.1)", () => {
  const cases: [string, string, string][] = [
    ["03", "00", "net-unreachable"],
    ["03", "01", "host-unreachable"],
    ["03", "02", "protocol-unreachable"],
    ["03", "03", "port-unreachable"],
    ["03", "09", "prohibited"],
    ["03", "0d", "prohibited"],
    ["0b", "00", "time-exceeded"],
    ["0c", "00", "parameter-problem"],
    ["04", "00", "other"],
  ];
  for (const [type, code, trouble] of cases) {
    assert.deepEqual(readKeptError(peer4, v4(type, code)), {
      trouble,
      local: false,
      peer: { address: hex("0a000002"), port: 1701 },
      reporter: hex("0a000009"),
    }, `${type}/${code}`);
  }
  assert.equal(readKeptError(peer4, v4("03", "04", "78050000"))!.mtu, 1400);
});

Deno.test("readKeptError() reads ICMPv6 (RFC 4443 §3)", () => {
  const cases: [string, string, string][] = [
    ["01", "00", "net-unreachable"],
    ["01", "01", "prohibited"],
    ["01", "03", "host-unreachable"],
    ["01", "04", "port-unreachable"],
    ["03", "00", "time-exceeded"],
    ["04", "01", "protocol-unreachable"],
  ];
  for (const [type, code, trouble] of cases) {
    const error = readKeptError(peer6, v6(type, code))!;
    assert.equal(error.trouble, trouble, `${type}/${code}`);
    assert.deepEqual(error.reporter, hex("fd000000000000000000000000000009"));
  }
  assert.deepEqual(readKeptError(peer6, v6("02", "00", "00050000"))!.mtu, 1280);
});

Deno.test("readKeptError() knows the kernel's own refusal, and passes over what is none", () => {
  const own = readKeptError(peer4, v4("00", "00", "dc050000", "01"))!;
  assert.deepEqual([own.local, own.trouble, own.mtu], [true, "too-big", 1500]);
  assert.equal(readKeptError(peer4, v4("00", "00", "00000000", "04")), undefined); // a timestamp
  for (let length = 0; length < 48; length++) {
    readKeptError(peer4.subarray(0, length % 17), v4("03", "03").subarray(0, length));
  }
});

Deno.test("drain() takes what the kernel keeps for a socket: a port that nobody listens at", async () => {
  using libc = openLibc();
  for (const address of ["127.0.0.1", "::1"]) {
    const deaf = openUdpSocket(libc, { local: { address, port: 0 } });
    libc.call.close(deaf.fd);
    const { fd } = openUdpSocket(libc, { local: { address, port: 0 } });
    const to = emitSockaddr({
      address: address === "::1" ? hex("00000000000000000000000000000001") : hex("7f000001"),
      port: deaf.local.port,
    });
    const queues = createErrorQueues(libc);
    const errors: KeptError[] = [];
    assert.equal(queues.drain(fd, (error) => errors.push(error)), 0);
    // connect, send and connect away again: the socket is as good as never connected.
    for (let i = 0; i < 40; i++) {
      libc.call.connect(fd, to, to.length);
      libc.call.send(fd, new Uint8Array(4), 4n, 0);
    }
    const deadline = performance.now() + 5000;
    let remote = 0;
    while (remote === 0 && performance.now() < deadline) {
      remote += queues.drain(fd, (error) => errors.push(error));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assert.ok(remote > 0);
    assert.deepEqual([errors[0]!.trouble, errors[0]!.local, errors[0]!.peer!.port], [
      "port-unreachable",
      false,
      deaf.local.port,
    ]);
    libc.call.close(fd);
  }
});
