import assert from "node:assert/strict";
import { openLibc } from "./libc.ts";
import { canonicalPrefix, openRtnetlink } from "./rtnetlink.ts";

Deno.test("link() finds the loopback device, and no device that there is not", () => {
  using libc = openLibc();
  using netlink = openRtnetlink(libc);
  const lo = netlink.link("lo");
  assert.deepEqual(lo, {
    index: 1,
    name: "lo",
    mtu: 65536,
    mac: "00:00:00:00:00:00",
    up: true,
    master: 0,
    carrier: true,
    txDropped: 0,
  });
  assert.equal(netlink.link("isthmus-none"), undefined);
});

Deno.test("addresses() lists one device's", () => {
  using libc = openLibc();
  using netlink = openRtnetlink(libc);
  assert.ok(netlink.addresses(1).includes("127.0.0.1/8"));
  assert.deepEqual(netlink.addresses(0x7fff_ffff), []);
});

Deno.test("setLink() and addAddress() refuse what cannot be read, before the kernel sees it", () => {
  using libc = openLibc();
  using netlink = openRtnetlink(libc);
  assert.throws(() => netlink.setLink(1, { mac: "02:00" }), { code: "EINVAL" });
  assert.throws(() => netlink.addAddress(1, "10.0.0.1"), { code: "EINVAL" });
  assert.throws(() => netlink.addAddress(1, "10.0.0.1/33"), { code: "EINVAL" });
});

Deno.test("setLink() says that there is no such device", () => {
  using libc = openLibc();
  using netlink = openRtnetlink(libc);
  const code = Deno.uid() === 0 ? "ENODEV" : "EPERM";
  assert.throws(() => netlink.setLink(0x7fff_fff0, { mtu: 1400 }), { code, syscall: "rtnetlink" });
});

Deno.test("canonicalPrefix() is how addresses() writes an address", () => {
  assert.equal(canonicalPrefix("fd00:7:0::1/64"), "fd00:7::1/64");
  assert.equal(canonicalPrefix("10.0.0.1/8"), "10.0.0.1/8");
  for (const wrong of ["10.0.0.1", "10.0.0.1/33", "fe80::1%lo/64", "/8", "x/8"]) {
    assert.equal(canonicalPrefix(wrong), undefined, wrong);
  }
});
