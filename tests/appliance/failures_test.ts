/** What an operator is told of who is turned away. */

import assert from "node:assert/strict";
import { CdnResult } from "../../core/errors.ts";
import { testCall, testSettings } from "../../core/testing.ts";
import { type ControlNode, startControlNode } from "./control_support.ts";
import { startRawPeer } from "./raw_peer.ts";
import { loopback, until } from "./support.ts";

const lns = (at: string, more: string) => `
listen: [{ udp: "${at}:1701" }]
host-name: lns
peers: { lac: { host-name: lac, retransmit: 0.1, attempts: 2, ${more} } }
`;
const lac = (at: string, to: string, peer: string, session = "office: {}", name = "lac") => `
listen: [{ udp: "${at}:1701" }]
host-name: ${name}
peers: { lns: { retransmit: 0.1, attempts: 2, ${peer} } }
tunnels: { t: { peer: lns, local: "${at}:1701", remote: ${to}, sessions: { ${session} } } }
`;

/** Each with what the LNS must say of it: stage, reason and more. */
const cases: readonly {
  readonly lns: string;
  readonly lac: string;
  readonly name?: string;
  readonly session?: string;
  readonly says: Readonly<Record<string, unknown>>;
}[] = [
  {
    lns: "secret: right",
    lac: "secret: wrong",
    says: { stage: "tunnel", reason: "digest-wrong", peer: "lac", hostName: "lac" },
  },
  {
    lns: "secret: right",
    lac: "hello: 5",
    says: { stage: "tunnel", reason: "digest-missing", peer: "lac" },
  },
  {
    lns: "proto-version: 2, secret: right",
    lac: "proto-version: 2, secret: wrong",
    // Our own challenge is answered with the wrong secret, or the peer finds our answer wrong first.
    says: { stage: "tunnel", reason: "peer-4", peer: "lac" },
  },
  {
    lns: "hello: 5",
    lac: "hello: 5",
    name: "stranger",
    says: { stage: "tunnel", reason: "unknown-peer", hostName: "stranger" },
  },
  {
    lns: "accept: [{ name: lab }]",
    lac: "hello: 5",
    says: { stage: "call", reason: "no-such-call", peer: "lac", session: "office" },
  },
  {
    lns: "session-limit: 1, accept: [{ name: '*' }]",
    lac: "hello: 5",
    session: "one: {}, two: {}",
    says: { stage: "call", reason: "call-limit", peer: "lac" },
  },
];

Deno.test("each refusal is kept, told of as an event and a line, and counted with its reason", async () => {
  for (const [i, one] of cases.entries()) {
    const [a, b] = [loopback(71 + 2 * i), loopback(72 + 2 * i)];
    await using called = await startControlNode(lns(b, one.lns));
    await using _caller = await startControlNode(lac(a, b, one.lac, one.session, one.name));
    const found = (node: ControlNode) =>
      node.appliance.failures().latest.find((failure) =>
        Object.entries(one.says).every(([key, value]) =>
          (failure as unknown as Record<string, unknown>)[key] === value
        )
      );
    await until(() => found(called) !== undefined);
    const what = JSON.stringify(one.says);
    assert.equal(found(called)!.remote, `${a}:1701`, what);
    const reason = String(one.says["reason"]);
    assert.ok(called.appliance.failures().counts[reason]! >= 1, what);
    await until(() => called.failures.some((event) => event.reason === reason));
    assert.ok(called.lines.some((line) => line.includes(`${one.says["stage"]} refused`)), what);
    assert.equal(called.lines.join("").includes("right"), false, "and no secret is");
  }
});

Deno.test("a call that its peer ends with an error is lost if it was up, else refused", async () => {
  const [a, b] = [loopback(197), loopback(198)];
  await using node = await startControlNode(lns(b, "accept: [{ name: '*' }]"));
  const settings = testSettings({ version: 3, hostName: "lac" });
  await using peer = await startRawPeer(a, b, settings);
  // The one ends before its ICCN, the other behind it.
  const ends = { refused: "wait-proceed", lost: "established" } as const;
  peer.onEvent = (event) => {
    if (event.type !== "call-state") return;
    const name = peer.lcce.call(event.call)?.parameters?.name as keyof typeof ends;
    if (event.state === ends[name]) {
      const result = { result: CdnResult.GeneralError, error: 6, message: "its board broke" };
      peer.lcce.closeCall(event.call, result, peer.now());
    } else if (event.state === "wait-proceed") peer.lcce.proceed(event.call, peer.now());
  };
  const connection = peer.act((lcce, now) => lcce.dial(settings, peer.path(), now));
  for (const [name, line] of [["refused", /call refused/], ["lost", /call lost/]] as const) {
    peer.act((lcce, now) => {
      lcce.placeCall(connection, "incoming-caller", testCall({ name, sequencing: false }), now);
    });
    await until(() =>
      node.lines.some((each) => each.includes("its board broke") && line.test(each))
    );
    const lines = node.lines.filter((each) => each.includes("its board broke"));
    assert.equal(lines.filter((each) => line.test(each)).length, 1);
  }
});
