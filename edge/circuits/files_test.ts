import assert from "node:assert/strict";
import { Failure } from "../../plugins/failure.ts";
import { readText } from "./files.ts";

Deno.test("plugins read files by paths from the configuration's folder", async () => {
  const folder = await Deno.makeTempDir();
  try {
    Deno.writeTextFileSync(`${folder}/users.yaml`, "alice: {}\n");
    assert.equal(readText(folder, "users.yaml"), "alice: {}\n");
    assert.equal(readText("/", `${folder}/users.yaml`), "alice: {}\n");
    for (const path of ["none", ".", "/dev/zero"]) {
      assert.throws(
        () => readText(folder, path),
        (error) => error instanceof Failure && error.code === "unavailable",
      );
    }
    Deno.truncateSync(`${folder}/users.yaml`, 17 * 1024 * 1024);
    assert.throws(() => readText(folder, "users.yaml"), /has 17825792 octets/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
