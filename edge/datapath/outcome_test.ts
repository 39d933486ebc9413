import assert from "node:assert/strict";
import { Errno } from "../io/errno.ts";
import {
  longestGrouped,
  mayBeAsynchronous,
  onPacket,
  onRead,
  onReceive,
  onSend,
  onWrite,
} from "./outcome.ts";

const {
  EACCES,
  EADDRNOTAVAIL,
  EAGAIN,
  EBADF,
  EBADFD,
  ECONNREFUSED,
  EHOSTUNREACH,
  EINTR,
  EINVAL,
  EIO,
  EMSGSIZE,
  ENETDOWN,
  ENETUNREACH,
  ENOBUFS,
  ENODEV,
  ENOMEM,
  EOPNOTSUPP,
  EPERM,
  EPROTO,
} = Errno;

Deno.test("onSend() tells a lone datagram from a group", () => {
  const lone: [number, string][] = [
    [EINTR, "again"],
    [EAGAIN, "wait"],
    [EINVAL, "look"],
    [EMSGSIZE, "too-long"],
    [EIO, "transmit-failed"],
    [EOPNOTSUPP, "transmit-failed"],
    [ENOBUFS, "transmit-queue-full"],
    [ENOMEM, "transmit-queue-full"],
    [ENETUNREACH, "no-route"],
    [EACCES, "route-prohibited"],
    [EADDRNOTAVAIL, "no-source-address"],
    [ENETDOWN, "link-down"],
    [EHOSTUNREACH, "peer-unreachable"],
    [ECONNREFUSED, "peer-unreachable"],
    [EPERM, "filtered"],
    [EBADF, "socket-gone"],
    [EPROTO, "transmit-failed"],
  ];
  for (const [errno, outcome] of lone) assert.equal(onSend(errno, "datagram"), outcome, `${errno}`);
  const groups: readonly number[] = [EINVAL, EMSGSIZE, EIO, EOPNOTSUPP];
  for (const [errno, outcome] of lone) {
    const expected = groups.includes(errno) ? "split" : outcome;
    assert.equal(onSend(errno, "group"), expected, `${errno}`);
  }
  assert.equal(onSend(EPERM, "datagram", 7), "ipsec-missing");
});

Deno.test("only a length that was too long leaves shorter ones grouped", () => {
  assert.equal(longestGrouped(EINVAL, 1400), 1399);
  assert.equal(longestGrouped(EMSGSIZE, 1400), 1399);
  assert.equal(longestGrouped(EIO, 1400), 0);
});

Deno.test("what ICMP makes of a call may be any call's; what only the call itself can cause may not", () => {
  for (const errno of [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EMSGSIZE, EACCES, EPROTO]) {
    assert.ok(mayBeAsynchronous(errno), `${errno}`);
  }
  for (const errno of [EINVAL, EAGAIN, EIO, ENOBUFS, EPERM, EBADF]) {
    assert.ok(!mayBeAsynchronous(errno), `${errno}`);
  }
});

Deno.test("onReceive(): a socket is given up for what stays, never for what ICMP said", () => {
  assert.deepEqual(
    [EINTR, EAGAIN, ENOMEM, ECONNREFUSED, EHOSTUNREACH, EMSGSIZE, EPROTO, EBADF, EINVAL]
      .map(onReceive),
    ["again", "empty", "empty", "told", "told", "told", "told", "gone", "gone"],
  );
});

Deno.test("onPacket(): a device that is down may come up again", () => {
  assert.deepEqual(
    [EINTR, EAGAIN, EINVAL, ENETDOWN, EBADF].map(onPacket),
    ["again", "empty", "again", "down", "gone"],
  );
});

Deno.test("onWrite() and onRead() tell a device that is down, full or gone", () => {
  assert.deepEqual(
    [EINTR, EAGAIN, EIO, ENETDOWN, EBADFD, ENODEV, ENOBUFS, EINVAL].map(onWrite),
    [
      "again",
      "wait",
      "device-down",
      "device-down",
      "device-gone",
      "device-gone",
      "device-full",
      "device-refused",
    ],
  );
  assert.deepEqual([EINTR, EAGAIN, EBADFD, 0].map(onRead), ["again", "empty", "gone", "gone"]);
});
