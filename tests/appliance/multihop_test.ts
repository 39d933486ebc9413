/** Calls that are placed on: a LAC, an isthmus between, and an LNS that is one too, in every pair of versions. */

import assert from "node:assert/strict";
import { type ProtoVersion, PseudowireType } from "../../core/pseudowire.ts";
import type { SessionParameters } from "../../core/settings.ts";
import { testCall, testSettings } from "../../core/testing.ts";
import { type ControlNode, fastClock, startControlNode } from "./control_support.ts";
import { type RawPeer, startRawPeer } from "./raw_peer.ts";
import { loopback, until } from "./support.ts";

const lcp = Uint8Array.fromHex("ff03c02101010010010405780206000000000506" + "4e2f1a07");

const lns = (at: string, version: ProtoVersion, circuit = "{ sink: { echo: true } }") => `
listen: [{ udp: "${at}:1701" }]
host-name: lns
peers: { hop: { proto-version: ${version}, accept: [{ pw-type: ppp, circuit: ${circuit} }] } }
`;
const hop = (
  at: string,
  versions: readonly [ProtoVersion, ProtoVersion],
  to: string,
  options = "rules: [{ to: { peer: lns } }]",
) => `
listen: [{ udp: "${at}:1701" }]
host-name: hop
peers:
  lac: { host-name: "test*", proto-version: ${
  versions[0]
}, accept: [{ pw-type: ppp, circuit: hop }] }
  lns: { host-name: lns, proto-version: ${versions[1]} }
tunnels:
  to-lns: { peer: lns, mode: on-demand, local: "${at}:1701", remote: ${to} }
circuits: { hop: { bridge: { ${options} } } }
`;

/** A LAC in a test's hands, dialed in. */
async function dialIn(at: string, to: string, version: ProtoVersion) {
  const settings = testSettings({ version, hostName: "test-lac" });
  const peer = await startRawPeer(at, to, settings);
  const connection = peer.act((lcce, now) => lcce.dial(settings, peer.path(), now));
  const established: SessionParameters[] = [];
  const closed = new Map<number, unknown>();
  peer.onEvent = (event) => {
    if (event.type !== "call-state") return;
    if (event.state === "wait-proceed") peer.lcce.proceed(event.call, peer.now());
    if (event.state === "established") {
      established.push(event.session!);
      peer.send(event.session!, lcp);
    }
    if (event.state === "closed") closed.set(event.call.localSessionId, event.cause);
  };
  const call = (name: string) => {
    const parameters = testCall({ name, pseudowireType: PseudowireType.Ppp, sequencing: false });
    return peer.act((lcce, now) => lcce.placeCall(connection, "incoming-caller", parameters, now));
  };
  return { peer, call, closed, established };
}

const sessions = async ({ appliance }: ControlNode, tunnel: RegExp) =>
  (await appliance.tunnels()).filter(({ config }) => tunnel.test(config.name))
    .flatMap(({ sessions }) => sessions);

Deno.test("ten calls at once are placed on, frames behind ICCN and all, v2 and v3 in every pair", async () => {
  const pairs = [[2, 2], [2, 3], [3, 2], [3, 3]] as const;
  for (const [i, versions] of pairs.entries()) {
    const [a, b, c] = [0, 1, 2].map((n) => loopback(130 + 3 * i + n)) as [string, string, string];
    await using far = await startControlNode(lns(c, versions[1]));
    await using between = await startControlNode(hop(b, versions, c));
    const { call, closed, established, peer } = await dialIn(a, b, versions[0]);
    await using _peer: RawPeer = peer;
    const calls = Array.from({ length: 10 }, (_, n) => call(`77-${n}`));
    await until(() => established.length === 10 && peer.frames.length === 10);
    for (const frame of peer.frames) assert.deepEqual(frame.slice(-lcp.length), lcp);
    const names = (await sessions(far, /^hop/)).map(({ config }) => config.name);
    assert.equal(names.filter((name) => name.startsWith("77-")).length, 10, `${names}`);
    const near = await sessions(between, /^lac/);
    assert.equal(near.length, 10);
    for (const { circuit, counters } of near) {
      assert.match(String(circuit?.shown?.["far"]), /^to-lns\//);
      assert.deepEqual([counters["rx-packets"], counters["tx-packets"]], [1, 1]);
    }
    for (const { counters } of await sessions(between, /^to-lns/)) {
      assert.deepEqual([counters["rx-packets"], counters["tx-packets"]], [1, 1]);
    }
    // Ended by the LAC: both legs go. Ended by the LNS: so they do.
    peer.act((lcce, now) => lcce.closeCall(calls[0]!, { result: 3, message: "hung up" }, now));
    await until(async () => (await sessions(far, /^hop/)).length === 9);
    const [tunnel] = (await far.appliance.tunnels()).map(({ config }) => config.name);
    const [left] = (await sessions(far, /^hop/)).map(({ config }) => config.name);
    await far.appliance.deleteSession(tunnel!, left!);
    await until(() => closed.size === 2);
    await until(async () => (await sessions(between, /./)).length === 16);
  }
});

Deno.test("a refusal of the far LNS is the near one's, in its version's words", async () => {
  for (const [i, versions] of ([[2, 3], [3, 2]] as const).entries()) {
    const [a, b, c] = [0, 1, 2].map((n) => loopback(150 + 3 * i + n)) as [string, string, string];
    await using _far = await startControlNode(lns(c, versions[1], "{ bridge: {} }"));
    await using _between = await startControlNode(hop(b, versions, c));
    const { call, closed, established, peer } = await dialIn(a, b, versions[0]);
    await using _peer: RawPeer = peer;
    for (const name of ["1", "2", "3"]) call(name);
    await until(() => closed.size === 1 && established.length === 2);
    const [cause] = [...closed.values()] as {
      by: string;
      result: { result: number; message: string };
    }[];
    assert.equal(cause!.by, "peer");
    assert.equal(cause!.result.result, 4);
    assert.match(cause!.result.message, /already carries 2 sessions/);
  }
});

Deno.test("where nobody answers, or no rule fits, the near call is refused with the reason", async () => {
  const [a, b, c] = [0, 1, 2].map((n) => loopback(160 + n)) as [string, string, string];
  const options = 'rules: [{ called-number: "77*", to: { tunnel: to-lns } }]';
  await using between = await startControlNode(
    hop(b, [2, 2], c, options).replace("lns: {", "lns: { retransmit: 0.1, attempts: 2,"),
  );
  const { call, closed, peer } = await dialIn(a, b, 2);
  await using _peer: RawPeer = peer;
  call("88");
  await until(() => closed.size === 1);
  call("77");
  await until(() => closed.size === 2);
  const results = [...closed.values()] as { result: { result: number; message: string } }[];
  assert.deepEqual(results.map(({ result }) => result.result), [6, 4]);
  assert.match(results[1]!.result.message, /did not come up/);
  assert.equal((await sessions(between, /./)).length, 0);
});

Deno.test("ICCN waits for the caller's, and says what that said; an end is told in either version's words", async () => {
  const [a, b, c] = [0, 1, 2].map((n) => loopback(180 + n)) as [string, string, string];
  for (const versions of [[2, 3], [3, 2]] as const) {
    await using _between = await startControlNode(hop(b, versions, c));
    const far = await startRawPeer(c, b, testSettings({ version: versions[1], hostName: "lns" }));
    await using _far: RawPeer = far;
    const near = await startRawPeer(
      a,
      b,
      testSettings({ version: versions[0], hostName: "test-lac" }),
    );
    await using _near: RawPeer = near;
    const results: number[] = [];
    const said: unknown[] = [];
    far.onEvent = (event) => {
      if (event.type === "call-requested") {
        const parameters = testCall({ pseudowireType: PseudowireType.Ppp, sequencing: false });
        far.lcce.acceptCall(event.call, parameters, far.now());
      }
      if (event.type !== "call-state") return;
      if (event.state === "wait-proceed") far.lcce.proceed(event.call, far.now());
      if (event.state === "established") said.push(event.said?.proxyAuth);
      if (event.state === "closed" && event.cause?.by === "peer") {
        results.push(event.cause.result.result);
      }
    };
    let waiting = false;
    near.onEvent = (event) => {
      if (event.type !== "call-state") return;
      waiting ||= event.state === "wait-proceed";
      if (event.state === "closed" && event.cause?.by === "peer") {
        results.push(event.cause.result.result);
      }
    };
    const settings = testSettings({ version: versions[0], hostName: "test-lac" });
    const connection = near.act((lcce, now) => lcce.dial(settings, near.path(), now));
    const place = () => {
      const parameters = testCall({
        name: "7",
        pseudowireType: PseudowireType.Ppp,
        sequencing: false,
      });
      return near.act((lcce, now) =>
        lcce.placeCall(connection, "incoming-caller", parameters, now)
      );
    };
    const first = place();
    await until(() => waiting);
    assert.deepEqual(said, [], "the far peer is not told to go on before the near one says so");
    const proxyAuth = { type: 3, name: new TextEncoder().encode("bob") };
    near.act((lcce, now) => lcce.proceed(first, now, { proxyAuth }));
    await until(() => said.length === 1);
    assert.deepEqual(said, [{ type: 3, name: proxyAuth.name }]);
    near.act((lcce, now) => lcce.closeCall(first, { result: versions[0] === 3 ? 16 : 9 }, now));
    await until(() => results.length === 1);
    assert.deepEqual(results, [versions[0] === 3 ? 10 : 9]);
    // What the far peer ends with comes back, and a call whose caller is gone before ICRP gets no ICCN.
    waiting = false;
    const second = place();
    await until(() => waiting);
    near.act((lcce, now) => lcce.proceed(second, now));
    await until(() => said.length === 2);
    const theirs = far.events.findLast((event) =>
      event.type === "call-state" && event.state === "established"
    );
    if (theirs?.type !== "call-state") throw new Error("no call");
    far.act((lcce, now) =>
      lcce.closeCall(theirs.call, { result: versions[1] === 3 ? 14 : 8 }, now)
    );
    await until(() => results.length === 2);
    assert.deepEqual(results[1], versions[1] === 3 ? 5 : 8);
    const third = place();
    near.act((lcce, now) => lcce.closeCall(third, { result: 1 }, now));
    waiting = false;
    const fourth = place();
    await until(() => waiting);
    near.act((lcce, now) => lcce.closeCall(fourth, { result: 3 }, now));
    await until(() => results.at(-1) === 3);
    assert.equal(said.length, 2, "no ICCN for those that were called off");
  }
});

Deno.test("a tunnel that was dialed for calls stays up while it has one, is hung up after the last, and dialed again", async () => {
  const [a, b, c] = [0, 1, 2].map((n) => loopback(190 + n)) as [string, string, string];
  await using far = await startControlNode(lns(c, 2));
  // Half a minute is half a second.
  await using between = await startControlNode(hop(b, [2, 2], c), fastClock(60));
  const { call, established, peer } = await dialIn(a, b, 2);
  await using _peer: RawPeer = peer;
  const state = async () => (await between.tunnel("to-lns"))?.control?.state;
  for (const round of [1, 2]) {
    const placed = call("77");
    await until(() => established.length === round);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert.equal(await state(), "established", "a call needs it");
    peer.act((lcce, now) => lcce.closeCall(placed, { result: 3 }, now));
    await until(async () => await state() === "idle");
    await until(async () => (await far.appliance.tunnels()).length === 0);
  }
});

Deno.test("a call that waits for its tunnel is refused as soon as that is of no use any more", async () => {
  const [a, b, c] = [0, 1, 2].map((n) => loopback(193 + n)) as [string, string, string];
  await using between = await startControlNode(hop(b, [2, 2], c));
  const { call, closed, peer } = await dialIn(a, b, 2);
  await using _peer: RawPeer = peer;
  call("77");
  await until(async () => (await between.tunnel("to-lns"))?.control?.state === "wait-ctl-reply");
  await between.appliance.deleteTunnel("to-lns");
  await until(() => closed.size === 1);
  const [cause] = [...closed.values()] as { result: { result: number; message: string } }[];
  assert.equal(cause!.result.result, 4);
  assert.match(cause!.result.message, /did not come up/);
});

Deno.test("the time that its tunnel takes to come up counts for a call's call-timeout", async () => {
  const [a, b, c] = [0, 1, 2].map((n) => loopback(196 + n)) as [string, string, string];
  await using _between = await startControlNode(
    hop(b, [2, 2], c).replace("lns: {", "lns: { call-timeout: 1,"),
  );
  const { call, closed, peer } = await dialIn(a, b, 2);
  await using _peer: RawPeer = peer;
  call("77");
  await until(() => closed.size === 1);
  const [cause] = [...closed.values()] as { result: { result: number; message: string } }[];
  assert.match(cause!.result.message, /did not come up: it takes too long/);
});
