import assert from "node:assert/strict";
import { session, tunnel } from "../testing/appliance.ts";
import {
  findTunnel,
  makeSessionTable,
  RunningTunnels,
  type SessionEntry,
  type TunnelEntry,
} from "./table.ts";

const entry = (id: number, name = `tunnel-${id}`) =>
  ({ config: { ...tunnel(id), name } }) as unknown as TunnelEntry;
const sessionEntry = (id: number) => ({ config: session(id) }) as unknown as SessionEntry;

Deno.test("tunnels are found by id and listed in its order, as they are now", () => {
  const all = new RunningTunnels();
  const ids = () => Array.from(all.after(undefined), ({ config }) => config.tunnelId);
  for (const id of [7, 2]) all.set(`tunnel-${id}`, entry(id));
  assert.deepEqual(ids(), [2, 7]);
  all.set("tunnel-5", entry(5));
  assert.deepEqual(ids(), [2, 5, 7]);
  assert.equal(findTunnel(all, "5").config.name, "tunnel-5");
  all.delete("tunnel-5");
  assert.deepEqual(ids(), [2, 7]);
  for (const none of ["5", "05", "0", "", "7.0", "99999999999"]) {
    assert.throws(() => findTunnel(all, none), { code: "not-found" });
  }
  // Whose id another has got meanwhile takes nothing of that one with it.
  all.set("former", entry(9, "former"));
  all.set("later", entry(9, "later"));
  all.delete("former");
  assert.equal(findTunnel(all, "9").config.name, "later");
  assert.equal(all.delete("nobody"), false);
});

Deno.test("sessions are listed in the order of their ids, as they are now", () => {
  const table = makeSessionTable();
  const ids = () => Array.from(table.after(0), ({ config }) => config.sessionId);
  const [one, four, nine] = [sessionEntry(1), sessionEntry(4), sessionEntry(9)];
  table.add(nine);
  table.add(one);
  assert.deepEqual(ids(), [1, 9]);
  table.add(four);
  assert.deepEqual(ids(), [1, 4, 9]);
  table.delete(one);
  assert.deepEqual(ids(), [4, 9]);
  assert.equal(table.byId(1), undefined);
});
