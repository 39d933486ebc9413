import assert from "node:assert/strict";
import { IoError } from "./errno.ts";
import { cString, libcPaths, openLibc } from "./libc.ts";
import { inNetns } from "./netns.ts";

Deno.test("libcPaths are what the permission set allows", async () => {
  const config = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  assert.deepEqual(libcPaths, config.permissions.appliance.ffi);
});

Deno.test("check() names the call, the error and what was attempted", () => {
  using libc = openLibc();
  assert.throws(
    () => libc.check(libc.call.open(cString("/nonexistent"), 0, 0), "open", "read nothing"),
    (error) => {
      assert.ok(error instanceof IoError);
      assert.deepEqual([error.syscall, error.code, error.errno], ["open", "ENOENT", 2]);
      assert.equal(error.message, "Cannot read nothing: open: ENOENT");
      return true;
    },
  );
});

Deno.test("address() stays the same when a WASM memory grows", () => {
  using libc = openLibc();
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 100 });
  const address = libc.address(memory.buffer as ArrayBuffer);
  memory.grow(99);
  assert.equal(libc.address(memory.buffer as ArrayBuffer), address);
  assert.notEqual(address, 0n);
});

Deno.test("cString() refuses a NUL", () => {
  assert.throws(() => cString("a\0b"), TypeError);
});

Deno.test("inNetns() says which namespace there is not, and does not run the work", () => {
  using libc = openLibc();
  const enter = (name: string) => inNetns(libc, name, () => assert.fail("ran"));
  assert.throws(() => enter("isthmus-none"), { code: "ENOENT" });
  assert.throws(() => enter("../../proc/self/ns/net"), { code: "EINVAL" });
});
