import assert from "node:assert/strict";
import { mayAnswer, pathKey, sameHost, samePath } from "./path.ts";
import type { Path } from "./settings.ts";

const path: Path = {
  encap: "udp",
  local: "10.0.0.1",
  remote: { address: "10.0.0.2", port: 1701 },
  mark: 0,
  socket: 1,
};
/** Each differs from {@linkcode path} in one thing that tells peers apart. */
const others: readonly Path[] = [
  { ...path, encap: "ip" },
  { ...path, local: "10.0.0.3" },
  { ...path, remote: { address: "10.0.0.3", port: 1701 } },
  { ...path, remote: { address: "10.0.0.2", port: 1702 } },
  { ...path, mark: 7 },
];

Deno.test("a path is told from others by all but its socket", () => {
  assert.ok(samePath(path, { ...path, socket: 2 }));
  assert.equal(pathKey(path), pathKey({ ...path, socket: 2 }));
  for (const other of others) {
    assert.equal(samePath(path, other), false, JSON.stringify(other));
    assert.notEqual(pathKey(path), pathKey(other));
  }
});

Deno.test("mayAnswer() takes any port of whom was dialed, and any address of ours where none was chosen", () => {
  const answers = others.filter((other) => mayAnswer(path, other));
  assert.deepEqual(answers, [others[3]]);
  const anyLocal = { ...path, local: "0.0.0.0" };
  assert.deepEqual(others.filter((other) => mayAnswer(anyLocal, other)), [others[1], others[3]]);
});

Deno.test("sameHost() looks at address and mark", () => {
  const [, , elsewhere, , marked] = others;
  assert.deepEqual(others.filter((other) => !sameHost(path, other)), [elsewhere, marked]);
});
