/**
 * Circuits that go down behind one end of an L2TPv3 session, and their like at the other end, which loses its carrier:
 * devices as `ip link` sets them and shows them, and the Circuit Status on the wire as tshark reads it (RFC 3931 §5.4.5).
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { captureHere } from "./support/capture.ts";
import { makePair, type Pair, type Place } from "./support/place.ts";
import { sleep, until } from "./support/process.ts";
import { suite } from "./support/suite.ts";
import { tshark } from "./support/tshark.ts";

const near = (adminSocket: string) => `
admin: { listen: "unix:${adminSocket}" }
host-name: near
peers: { far: { proto-version: 3 } }
tunnels:
  t:
    peer: far
    mode: persistent
    local: 10.77.0.1:1701
    remote: 10.77.0.2:1701
    sessions:
      office: { circuit: { tap: { name: office } } }
      port: { circuit: { interface: { name: port } } }
`;

const far = (adminSocket: string) => `
admin: { listen: "unix:${adminSocket}" }
listen: [{ udp: "10.77.0.2:1701" }]
host-name: far
peers:
  near:
    proto-version: 3
    accept:
      - { name: office, circuit: { tap: { name: office } } }
      - { name: port, circuit: { tap: { name: port } } }
`;

interface Context {
  readonly pair: Pair;
  readonly near: Appliance;
  readonly far: Appliance;
}

const { test } = suite<Context>(
  import.meta.url,
  ["root", "tun", "ip", "tcpdump", "tshark", "curl"],
  async (stack) => {
    const pair = stack.use(await makePair());
    await pair.here.here("ip", "link", "add", "port", "type", "veth", "peer", "name", "host");
    for (const end of ["port", "host"]) await pair.here.here("ip", "link", "set", end, "up");
    const context = {
      pair,
      far: stack.use(await startAppliance(pair.there, far)),
      near: stack.use(await startAppliance(pair.here, near)),
    };
    for (const name of ["office", "port"]) {
      await until(`${name} is up`, () => carrier(pair.there, name));
    }
    return context;
  },
);

async function carrier({ here }: Place, name: string): Promise<boolean> {
  return !(await here("ip", "link", "show", name)).includes("NO-CARRIER");
}

/** A session as the appliance shows it. */
async function sessionOf(appliance: Appliance, name: string) {
  const { sessions: rows } = await appliance.get<{ sessions: Row[] }>("/v1/sessions");
  return rows.find((row) => row.name === name)!;
}
interface Row {
  readonly name: string;
  readonly status: string;
  readonly reason?: string;
}

/** The Circuit Status of each SLI of a capture; what was sent again, with the same Ns, counts once. */
async function slis(file: string): Promise<string[]> {
  const said = await tshark(
    file,
    ...["-Y", "l2tp.avp.message_type == 16", "-T", "fields"],
    ...["-e", "l2tp.Ns", "-e", "l2tp.avp.circuit_status", "-e", "l2tp.avp.circuit_type"],
  );
  const lines = said.replaceAll("False", "0").replaceAll("True", "1").split("\n").filter(Boolean);
  const byNs = new Map(lines.map((line) => [line.slice(0, line.indexOf("\t")), line]));
  return [...byNs].map(([ns, line]) => line.slice(ns.length + 1));
}

for (
  const [name, what, down, up] of [
    ["office", "a TAP that is set down", ["office", "down"], ["office", "up"]],
    ["port", "an interface that is set down", ["port", "down"], ["port", "up"]],
    ["port", "an interface whose cable is pulled", ["host", "down"], ["host", "up"]],
  ] as const
) {
  test(`${what}: its peer's device loses its carrier, and has it again afterwards`, async (context) => {
    const { pair } = context;
    const capture = await captureHere(pair.there, "wire", "udp port 1701");
    await pair.here.here("ip", "link", "set", ...down);
    await until("the carrier falls", async () => !await carrier(pair.there, name));
    const [ours, theirs] = [
      await sessionOf(context.near, name),
      await sessionOf(context.far, name),
    ];
    assert.deepEqual([ours.status, ours.reason], ["down", "our circuit is down"]);
    assert.deepEqual([theirs.status, theirs.reason], ["down", "the peer's circuit is down"]);
    const metrics = async (place: Place, { adminSocket }: Appliance) =>
      await place.here("curl", "-s", "--unix-socket", adminSocket, "http://localhost/metrics");
    assert.match(
      await metrics(pair.here, context.near),
      /^isthmus_session_circuit_outages_total [1-9]/m,
    );
    assert.match(
      await metrics(pair.there, context.far),
      /^isthmus_session_peer_outages_total [1-9]/m,
    );
    await pair.here.here("ip", "link", "set", ...up);
    await until("it is back", () => carrier(pair.there, name));
    await until("both are up", async () => {
      const rows = [await sessionOf(context.near, name), await sessionOf(context.far, name)];
      return rows.every(({ status }) => status === "up");
    });
    let said: string[] = [];
    await until(
      "both SLIs were captured",
      async () => (said = await slis(capture.file)).length >= 2,
    );
    await capture.stop();
    // Not active, then active; never new (RFC 4719 §2.1.1).
    assert.deepEqual(said, ["0\t0", "1\t0"]);
  });
}

test("a device that flaps is told of once a second at most, and the last word holds", async ({ pair }) => {
  const capture = await captureHere(pair.there, "wire", "udp port 1701");
  const began = performance.now();
  for (let n = 0; n < 40; n++) {
    for (const state of ["down", "up"]) await pair.here.here("ip", "link", "set", "office", state);
  }
  await pair.here.here("ip", "link", "set", "office", "down");
  await sleep(1500);
  await until("the last word holds", async () => !await carrier(pair.there, "office"));
  await pair.here.here("ip", "link", "set", "office", "up");
  await until("it is back", () => carrier(pair.there, "office"));
  await capture.stop();
  const seconds = (performance.now() - began) / 1000;
  const messages = (await slis(capture.file)).length;
  assert.ok(messages <= seconds + 5, `${messages} SLIs in ${seconds} s`);
});
