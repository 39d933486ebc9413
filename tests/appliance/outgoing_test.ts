/** Outgoing calls (OCRQ, RFC 2661 §7.4, RFC 3931 §7.4): placed from the configuration, and answered by a circuit. */

import assert from "node:assert/strict";
import { type ProtoVersion, PseudowireType } from "../../core/pseudowire.ts";
import { testCall, testSettings } from "../../core/testing.ts";
import { startDatapath } from "../../edge/datapath/client.ts";
import { isRefusal } from "../../plugins/session.ts";
import type { Plugin } from "../../plugins/plugin.ts";
import { startControlNode } from "./control_support.ts";
import { startRawPeer } from "./raw_peer.ts";
import { loopback, until } from "./support.ts";

const versions: readonly ProtoVersion[] = [2, 3];
const pw = { 2: "ppp", 3: "ethernet" } as const;
const frame = Uint8Array.fromHex("ff03c021010100040102030405060708");

const lns = (at: string, to: string, version: ProtoVersion, session: string) => `
listen: [{ udp: "${at}:1701" }]
host-name: lns
peers: { lac: { proto-version: ${version} } }
tunnels:
  to-lac:
    peer: lac
    local: "${at}:1701"
    remote: ${to}
    sessions: { out: { direction: outgoing, remote-end-id: "5550100", pw-type: ${
  pw[version]
}, ${session} } }
`;
const lac = (at: string, version: ProtoVersion, circuit: string) => `
listen: [{ udp: "${at}:1701" }]
host-name: lac
peers:
  lns: { proto-version: ${version}, accept: [{ pw-type: ${pw[version]}, ${circuit} }] }
`;

Deno.test("a session with direction outgoing is asked for by OCRQ and answered by the other end's circuit", async () => {
  for (const [i, version] of versions.entries()) {
    const [a, b] = [loopback(101 + 2 * i), loopback(102 + 2 * i)];
    await using called = await startControlNode(lac(b, version, "circuit: { sink: {} }"));
    await using caller = await startControlNode(lns(a, b, version, "circuit: { sink: {} }"));
    await until(async () => (await caller.up("to-lac")).length === 1);
    const states = called.events.flatMap((event) =>
      event.type === "call-state" ? [event.state] : []
    );
    assert.deepEqual(states, ["wait-proceed", "wait-cs-answer", "established"]);
    const theirs = (await called.appliance.tunnels())[0]!;
    assert.match(theirs.sessions[0]!.config.name, /^5550100/);
    // Who asks for an outgoing call is the LNS of it.
    const lnsModes = [(await caller.tunnel("to-lac"))!, theirs].map(({ sessions }) =>
      sessions[0]!.config.lnsMode
    );
    assert.deepEqual(lnsModes, version === 2 ? [true, false] : [false, false]);
  }
});

Deno.test("an OCRQ for a circuit that places no calls is refused with CDN 4, and kept in mind", async () => {
  const circuits = ["circuit: { probe: { address: 10.0.0.1/24 } }", "mtu: 1400"];
  for (const [i, circuit] of circuits.entries()) {
    const [a, b] = [loopback(105 + 2 * i), loopback(106 + 2 * i)];
    await using called = await startControlNode(lac(b, 3, circuit));
    await using caller = await startControlNode(lns(a, b, 3, "circuit: { sink: {} }"));
    const refused = () =>
      caller.events.find((event) => event.type === "call-state" && event.ending !== undefined);
    await until(() => refused() !== undefined);
    const { by, result, message } = refused()!.ending!;
    assert.deepEqual([by, result, message], ["peer", 4, "the circuit places no calls"]);
    assert.ok(
      called.appliance.failures().latest.some(({ reason }) => reason === "places-no-calls"),
    );
  }
});

Deno.test("the first frame behind OCCN is carried, whoever asked for the call", async () => {
  for (const [i, version] of versions.entries()) {
    const [a, b] = [loopback(111 + 2 * i), loopback(112 + 2 * i)];
    const settings = testSettings({ version });
    const type = version === 2 ? PseudowireType.Ppp : PseudowireType.Ethernet;
    {
      // The peer asks, and sends as soon as our OCCN is there.
      await using _lac = await startControlNode(
        lac(b, version, "circuit: { sink: { echo: true } }"),
      );
      await using peer = await startRawPeer(a, b, settings);
      peer.onEvent = (event) => {
        if (event.type === "call-state" && event.state === "established") {
          peer.send(event.session!, frame);
        }
      };
      const connection = peer.act((lcce, now) => lcce.dial(settings, peer.path(), now));
      for (let n = 1; n <= 20; n++) {
        const parameters = testCall({ name: `${n}`, pseudowireType: type, sequencing: false });
        peer.act((lcce, now) => lcce.placeCall(connection, "outgoing-caller", parameters, now));
      }
      await until(() => peer.frames.length === 20);
    }
    // We ask, and the peer sends behind its OCCN: once it has let some time pass for the line to ring, or at once.
    for (const [n, pause] of [200, undefined].entries()) {
      const [c, d] = [loopback(115 + 4 * i + 2 * n), loopback(116 + 4 * i + 2 * n)];
      await using peer = await startRawPeer(c, d, settings);
      peer.onEvent = (event) => {
        if (event.type === "call-requested") {
          peer.lcce.acceptCall(event.call, testCall({ sequencing: false }), peer.now());
        }
        if (event.type !== "call-state") return;
        if (event.state === "wait-proceed") peer.lcce.proceed(event.call, peer.now());
        if (event.state === "wait-cs-answer") {
          const answer = () => peer.act((lcce, now) => lcce.callConnected(event.call, now));
          if (pause === undefined) peer.lcce.callConnected(event.call, peer.now());
          else setTimeout(answer, pause);
        }
        if (event.state === "established") peer.send(event.session!, frame);
      };
      await using _lns = await startControlNode(
        lns(d, c, version, "circuit: { sink: { echo: true } }"),
      );
      await until(() => peer.frames.length === 1);
    }
  }
});

Deno.test("no call is asked for before the datapath has its tunnel, be it of the file or a plugin's, incoming or outgoing", async () => {
  const [a, b] = [loopback(181), loopback(182)];
  const gate = Promise.withResolvers<void>();
  const slow = async () => {
    const datapath = await startDatapath();
    const { addTunnel } = datapath;
    return Object.assign(datapath, {
      async addTunnel(...args: Parameters<typeof addTunnel>) {
        await gate.promise;
        return await addTunnel.apply(datapath, args);
      },
    });
  };
  /** Places calls through whatever there is from its start on. */
  const caller: Plugin = {
    name: "caller",
    summary: "places calls",
    pseudowireTypes: [],
    start(scope) {
      for (const request of ["ICRQ", "OCRQ"] as const) {
        scope.keep(request, async (life) => {
          const placed = await life.place({ peer: "lac" }, { calledNumber: `plugin ${request}` }, {
            pseudowireType: PseudowireType.Ppp,
            request,
          });
          if (isRefusal(placed)) throw life.failure("unavailable", placed.refuse.message ?? "");
        });
      }
      return {};
    },
  };
  await using raw = await startRawPeer(a, b, testSettings({ version: 2, hostName: "lac" }));
  const asked: string[] = [];
  raw.onEvent = (event) => {
    if (event.type !== "call-requested") return;
    asked.push(`${event.role} ${event.said.calledNumber}`);
  };
  await using _caller = await startControlNode(
    `
listen: [{ udp: "${b}:1701" }]
host-name: lns
peers: { lac: { proto-version: 2 } }
tunnels:
  to-lac:
    peer: lac
    local: "${b}:1701"
    remote: ${a}
    sessions:
      in: { remote-end-id: "file in", pw-type: ppp, circuit: { sink: {} } }
      out: { direction: outgoing, remote-end-id: "file out", pw-type: ppp, circuit: { sink: {} } }
`,
    undefined,
    [caller],
    slow,
  );
  const up = () =>
    raw.events.some((event) => event.type === "connection-state" && event.state === "established");
  await until(up);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.deepEqual(asked, []);
  gate.resolve();
  await until(() => asked.length === 4);
  assert.deepEqual(asked.sort(), [
    "incoming-answerer file in",
    "incoming-answerer plugin ICRQ",
    "outgoing-answerer file out",
    "outgoing-answerer plugin OCRQ",
  ]);
});
