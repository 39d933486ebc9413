import assert from "node:assert/strict";
import { atOnce } from "../slices.ts";
import { brake, tollOf } from "./brake.ts";

const toll = (...of: Parameters<typeof tollOf>) => atOnce(tollOf(...of));

const there = [
  { tunnel: "a", sessions: ["1", "2"] },
  { tunnel: "b", sessions: ["1"] },
];

Deno.test("tollOf() counts a tunnel with its sessions, once, and what is only changed not at all", () => {
  assert.deepEqual(
    toll(there, [
      { path: "tunnels/a", step: "restarted" },
      { path: "tunnels/a/sessions/1", step: "restarted" },
      { path: "tunnels/b", step: "changed" },
      { path: "tunnels/b/sessions/1", step: "removed" },
      { path: "tunnels/c", step: "removed" },
      { path: "listen/udp:0.0.0.0:1701", step: "removed" },
    ]),
    { established: 5, ends: 4 },
  );
  assert.deepEqual(toll([], []), { established: 0, ends: 0 });
});

Deno.test("brake() lets half go, and not more", () => {
  brake({ ends: 0, established: 0 });
  brake({ ends: 2, established: 4 });
  assert.throws(() => brake({ ends: 3, established: 5 }), /would end 3 of the 5 .*--force/);
  assert.throws(() => brake({ ends: 1, established: 1 }), { code: "needs-force" });
});
