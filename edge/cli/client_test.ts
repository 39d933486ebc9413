import assert from "node:assert/strict";
import { openClient } from "./client.ts";
import { RequestError } from "./errors.ts";

Deno.test("a socket that Deno may not open is named, with what would let it", {
  permissions: { write: false },
}, () => {
  assert.throws(() => openClient("unix:/srv/isthmus.sock"), (error) => {
    assert.ok(error instanceof RequestError);
    assert.match(
      error.message,
      /^cannot reach isthmus at unix:\/srv\/isthmus\.sock: .*ISTHMUS_WRITE/,
    );
    return true;
  });
});
