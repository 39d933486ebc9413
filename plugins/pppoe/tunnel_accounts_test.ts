import assert from "node:assert/strict";
import type { SessionTunnel } from "../plugin.ts";
import type { Authenticator, TunnelRecord, Usage } from "../ppp/aaa/authenticator.ts";
import { TunnelAccounts } from "./tunnel_accounts.ts";

const usage = (octets: number): Usage => ({
  upOctets: octets,
  downOctets: 2 * octets,
  upPackets: 1,
  downPackets: 2,
});

function bench() {
  const told: string[] = [];
  const records: TunnelRecord[] = [];
  const authenticator: Authenticator = {
    check: () => Promise.reject(new Error("nobody asks")),
    account: () => ({ changed() {}, stop: () => Promise.resolve() }),
    tunnel(record) {
      const { call, kind } = record;
      records.push(record);
      if (!kind.endsWith("reject")) told.push(`${kind} begins`);
      return {
        stop: (cause, { downOctets, upOctets }, lost) =>
          void told.push(`${kind} ends ${cause} ${upOctets} ${downOctets} ${lost} ${call.name}`),
      };
    },
  };
  let last = 0;
  const accounts = new TunnelAccounts(authenticator, {
    random: (length) => new Uint8Array(length).fill(++last),
  });
  return { accounts, records, told };
}

const factsOf = (id: string) => ({
  call: { id, name: id, portType: 15 },
  grant: { user: "alice" },
});

function tunnelOf(gone: Promise<void>): { tunnel: SessionTunnel } {
  return {
    tunnel: {
      name: "t",
      version: 2,
      peer: "10.0.0.2",
      local: "10.0.0.1",
      hostName: "lns",
      localHostName: "lac",
      peerName: "lns",
      gone,
    },
  };
}
const settle = () => new Promise((resolve) => setTimeout(resolve));

Deno.test("the first link begins its tunnel, whose end waits for the last one, and sums them up", async () => {
  const { accounts, records, told } = bench();
  const gone = Promise.withResolvers<void>();
  const [a, b] = ["a", "b"].map((id) => accounts.begun(factsOf(id), tunnelOf(gone.promise)));
  assert.deepEqual(told, ["tunnel begins", "link begins", "link begins"]);
  const [tunnel, link, other] = records;
  assert.equal(tunnel!.of, tunnel!.call.id);
  assert.deepEqual([link!.of, other!.of], [tunnel!.of, tunnel!.of], "they are told to be of it");
  assert.deepEqual([link!.call.id, other!.call.id], ["a", "b"], "and of their sessions");
  a!.stop("user-request", usage(100), 3);
  a!.stop("user-request", usage(100), 3);
  gone.resolve();
  await settle();
  assert.equal(told.at(-1), "link ends user-request 100 200 3 a");
  b!.stop("idle-timeout", usage(7), 0);
  assert.deepEqual(told.slice(-2), [
    "link ends idle-timeout 7 14 0 b",
    "tunnel ends port-unneeded 107 214 0 a",
  ]);
});

Deno.test("a tunnel that is lost says so, and one that is dialed again is another", async () => {
  const { accounts, records, told } = bench();
  const first = Promise.withResolvers<void>();
  accounts.begun(factsOf("a"), tunnelOf(first.promise)).stop("lost-carrier", usage(1), 0);
  first.resolve();
  await settle();
  assert.equal(told.at(-1), "tunnel ends lost-carrier 1 2 0 a");
  accounts.begun(factsOf("b"), tunnelOf(Promise.withResolvers<void>().promise));
  const tunnels = records.filter(({ kind }) => kind === "tunnel").map(({ call }) => call.id);
  assert.equal(new Set(tunnels).size, 2);
});

Deno.test("a refusal is of the tunnel where there was none, else of the link", () => {
  const { accounts, told } = bench();
  accounts.rejected(factsOf("a"), { refuse: { result: 4 }, noTunnel: true });
  accounts.rejected(factsOf("a"), { refuse: { result: 4 } });
  assert.deepEqual(told, [
    "tunnel-reject ends lost-service 0 0 0 a",
    "link-reject ends service-unavailable 0 0 0 a",
  ]);
});
