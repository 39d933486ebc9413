import assert from "node:assert/strict";
import { makeMeters } from "../circuits/meters.ts";
import { makeLog } from "../log/log.ts";
import {
  noteOutage,
  outageOf,
  reaches,
  type SessionEntry,
  type TunnelEntry,
} from "../sessions/table.ts";
import { outageTeller } from "./outages.ts";

Deno.test("each outage is counted by who says so, and the session is down until the last is over", () => {
  const meters = makeMeters();
  const lines: string[] = [];
  const told: string[] = [];
  const outage = outageTeller({
    log: makeLog({ level: "info", format: "text" }, { write: (line) => void lines.push(line) }),
    meters,
    tell: ({ reason, session, state, tunnel }) =>
      void told.push(`${tunnel}/${session} ${state} ${reason ?? ""}`),
  });
  const tunnel = { config: { name: "t", tunnelId: 1 } } as unknown as TunnelEntry;
  const session = { config: { name: "s", sessionId: 2 } } as unknown as SessionEntry;
  const note = (of: "peer" | "circuit" | "path", reason?: string) => {
    if (noteOutage(session, of, reason)) outage(tunnel, session, of);
  };
  note("circuit");
  assert.deepEqual(told, [], "what was so is no news");
  note("circuit", "ours");
  note("circuit", "ours");
  assert.equal(reaches(session), true, "our own outage does not take our carrier down");
  note("peer", "theirs");
  assert.deepEqual([outageOf(session), reaches(session)], ["theirs", false]);
  note("circuit");
  note("peer");
  assert.deepEqual([outageOf(session), reaches(session), session.outages], [
    undefined,
    true,
    undefined,
  ]);
  assert.deepEqual(told, ["t/s down ours", "t/s down theirs", "t/s down theirs", "t/s up "]);
  const counted = meters.read().map(({ name, value }) => `${name} ${value}`);
  assert.deepEqual(counted.sort(), [
    "isthmus_session_circuit_outages_total 1",
    "isthmus_session_path_outages_total 0",
    "isthmus_session_peer_outages_total 1",
  ]);
  assert.match(lines.at(-1)!, /session carries frames again path=tunnels\/t\/sessions\/s/);
});
