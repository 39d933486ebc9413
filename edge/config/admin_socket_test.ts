import assert from "node:assert/strict";
import { ownSocket, socketsToTry } from "./admin_socket.ts";

const of = (uid: number, env: Record<string, string> = {}) => ({
  uid,
  env: (name: string) => env[name],
});
const system = "/run/isthmus/admin.sock";
const user = "/run/user/1000/isthmus/admin.sock";
const session = { XDG_RUNTIME_DIR: "/run/user/1000" };

Deno.test("the endpoint of root and of a service is the system's, a plain user's that of the session", () => {
  assert.equal(ownSocket(of(0, session)), system);
  assert.equal(ownSocket(of(990, { ...session, RUNTIME_DIRECTORY: "/run/isthmus" })), system);
  assert.equal(ownSocket(of(1000, session)), user);
  assert.equal(ownSocket(of(1000)), system);
  assert.equal(ownSocket(of(1000, { XDG_RUNTIME_DIR: "relative" })), system);
});

Deno.test("the command line looks where one of its own may be first", () => {
  assert.deepEqual(socketsToTry(of(1000, session)), [user, system]);
  assert.deepEqual(socketsToTry(of(0, session)), [system, user]);
  assert.deepEqual(socketsToTry(of(1000)), [system]);
});
