import assert from "node:assert/strict";
import { Errno, IoError } from "./errno.ts";

Deno.test("an error for lack of a privilege names the capability that is needed", () => {
  const message = (syscall: string, errno: number) => new IoError(syscall, errno, "try").message;
  assert.equal(
    message("ioctl(TUNSETIFF)", Errno.EPERM),
    "Cannot try: ioctl(TUNSETIFF): EPERM; expected CAP_NET_ADMIN",
  );
  assert.match(message("send(rtnetlink)", Errno.EPERM), /; expected CAP_NET_ADMIN$/);
  assert.match(message("socket", Errno.EPERM), /; expected CAP_NET_RAW$/);
  assert.match(message("setns", Errno.EPERM), /; expected CAP_SYS_ADMIN$/);
  assert.match(message("open(/dev/net/tun)", Errno.EACCES), /; expected read and write access/);
  assert.equal(message("ioctl(TUNSETIFF)", Errno.EBUSY), "Cannot try: ioctl(TUNSETIFF): EBUSY");
  assert.equal(message("bind", Errno.EACCES), "Cannot try: bind: EACCES");
});
