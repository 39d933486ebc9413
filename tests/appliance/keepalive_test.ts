/** Keepalives between two appliances, and a path between them that is cut, in one direction or both, and mended. */

import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { vswitch } from "../../plugins/vswitch/mod.ts";
import { loopback, type Node, startNode, until } from "./support.ts";

/** A path between two endpoints, which tests cut. */
interface Path extends AsyncDisposable {
  /** Where each end sends to. */
  readonly left: string;
  readonly right: string;
  /** Directions that are cut. */
  readonly cut: { leftToRight: boolean; rightToLeft: boolean };
}

/** Relays UDP between `left` and `right`. */
async function path(left: string, right: string): Promise<Path> {
  const address = loopback(9);
  const open = async () => {
    const socket = createSocket("udp4");
    socket.bind(0, address);
    await once(socket, "listening");
    return socket;
  };
  const [toLeft, toRight] = [await open(), await open()];
  const cut = { leftToRight: false, rightToLeft: false };
  const relay = (from: Socket, by: Socket, to: string, way: keyof Path["cut"]) => {
    const [host = "", port] = to.split(":");
    from.on("message", (datagram) => {
      if (!cut[way]) by.send(datagram, Number(port), host);
    });
  };
  // What the left end sends comes to the socket that it hears from.
  relay(toLeft, toRight, right, "leftToRight");
  relay(toRight, toLeft, left, "rightToLeft");
  const at = (socket: Socket) => `${address}:${socket.address().port}`;
  return {
    left: at(toLeft),
    right: at(toRight),
    cut,
    async [Symbol.asyncDispose]() {
      for (const socket of [toLeft, toRight]) {
        socket.close();
        await once(socket, "close");
      }
    },
  };
}

/** One end's session: all but its ids. */
type Sessions = Readonly<Record<string, string>>;

function config(me: 1 | 2, local: string, remote: string, sessions: Sessions, rest = ""): string {
  const lines = Object.entries(sessions).map(([name, text], i) => {
    const [mine, theirs] = [100 * me + i, 100 * (3 - me) + i];
    return `      ${name}: { session-id: ${mine}, peer-session-id: ${theirs}, ${text} }`;
  });
  return `listen: [{ udp: "${local}" }]
${rest}
tunnels:
  t:
    static: { tunnel-id: ${me}, peer-tunnel-id: ${3 - me} }
    local: "${local}"
    remote: "${remote}"
    sessions:
${lines.join("\n")}
`;
}

const often = "interval: 0.2, lost: 3, restore: 2";

async function statusOf({ appliance }: Node): Promise<Record<string, string>> {
  const { sessions } = await appliance.tunnel("t");
  return Object.fromEntries(sessions.map(({ config, status }) => [config.name, status]));
}

const all = async (node: Node, status: string) =>
  Object.values(await statusOf(node)).every((each) => each === status);

Deno.test("two appliances watch each other through pseudowires of all kinds; a cut is seen at both ends, and its end too", async () => {
  const [a, b] = [`${loopback(1)}:1701`, `${loopback(2)}:1701`];
  await using wire = await path(a, b);
  const [p, q] = ["0011223344556677", "8899aabbccddeeff"];
  const cookies = (mine: string, theirs: string) => `cookie: "${mine}", peer-cookie: "${theirs}"`;
  const frames = (name: string) => `circuit: { frames: { name: ${name} } }`;
  const keep = (mine: string, theirs: string, more = "") =>
    `keepalive: { target: "${theirs}", source: "${mine}", ${often}${more} }`;
  const far = (i: number) => (me: 1 | 2) => keep(`169.254.${i}.${me}`, `169.254.${i}.${3 - me}`);
  const sessions = (me: 1 | 2): Sessions => ({
    plain: `${far(1)(me)}, ${frames("plain")}`,
    numbered: `${me === 1 ? cookies(p, q) : cookies(q, p)}, seq: both, reorder-timeout: 50, ${
      far(2)(me)
    }, ${frames("numbered")}`,
    six: `l2spec-type: none, ${keep(`fe80::${me}`, `fe80::${3 - me}`)}, ${frames("six")}`,
    // What holds for the circuit's frames does not for the probe's.
    tight: `rate-limit: { rx: 1, tx: 1, burst: 1 }, source-check: { ipv4: 10.9.9.9 }, ${
      far(3)(me)
    }, ${frames("tight")}`,
    tagged: `${keep(`169.254.4.${me}`, `169.254.4.${3 - me}`, ", vlan: 7")}, ${frames("tagged")}`,
    // Of one VLAN, which both ends number as they like.
    vlan: `pw-type: ethernet-vlan, vlan-id: ${10 * me}, ${
      far(5)(me)
    }, circuit: { switch: { switch: lan } }`,
    alone: me === 1
      ? `keepalive: { target: 10.7.0.2, ${often} }, ${frames("alone")}`
      : "circuit: { probe: { address: 10.7.0.2/24 } }",
    nobody: `${far(6)(me)}`,
  });
  const rest = "switches: { lan: {} }";
  const text = (me: 1 | 2) =>
    config(me, [a, b][me - 1]!, [wire.left, wire.right][me - 1]!, sessions(me), rest);
  await using left = await startNode(text(1), [vswitch]);
  await using right = await startNode(text(2), [vswitch]);
  const kept = async (node: Node, status: string) => {
    const { alone, nobody, ...others } = await statusOf(node);
    const its = node === left ? [...Object.values(others), alone] : Object.values(others);
    return its.every((each) => each === status) && nobody === "down";
  };
  await until(async () => await kept(left, "up") && await kept(right, "up"));

  for (const name of ["plain", "numbered", "six", "tagged"]) {
    for (let number = 1; number <= 20; number++) left.ends.get(name)!.send(number);
    await until(() => right.ends.get(name)!.received.length >= 20);
    const numbers = Array.from({ length: 20 }, (_, i) => i + 1);
    assert.deepEqual(right.ends.get(name)!.received, numbers, `${name}: its frames and no others`);
    assert.deepEqual(left.ends.get(name)!.received, [], name);
  }

  for (const way of ["leftToRight", "rightToLeft"] as const) {
    wire.cut[way] = true;
    // Whichever way is cut: no answer comes back.
    await until(async () => await kept(left, "down") && await kept(right, "down"));
    const { sessions } = await left.appliance.tunnel("t");
    const plain = sessions.find(({ config }) => config.name === "plain");
    assert.equal(plain?.reason, "keepalive: no answer from 169.254.1.2");
    assert.ok([...left.appliance.down()].some(({ path }) => path === "tunnels/t/sessions/plain"));
    wire.cut[way] = false;
    await until(async () => await kept(left, "up") && await kept(right, "up"));
  }
  const counts = (await left.appliance.keepalives()).counts;
  assert.deepEqual([counts.malformed, counts.stray, counts.conflicts], [0, 0, 0]);
});

Deno.test("a switch's port goes down with its path: its stations move to the port that is left", async () => {
  const [a, b] = [`${loopback(3)}:1701`, `${loopback(4)}:1701`];
  await using wire = await path(a, b);
  const port = "circuit: { switch: { switch: lan } }";
  const near = {
    first: `keepalive: { target: 10.7.0.2, ${often} }, ${port}`,
    second: port,
    inside: port,
  };
  const lan = "switches: { lan: {} }";
  await using left = await startNode(config(1, a, wire.left, near, lan), [vswitch]);
  await using right = await startNode(
    config(2, b, wire.right, {
      first: "circuit: { probe: { address: 10.7.0.2/24 } }",
      second: "circuit: { frames: { name: second } }",
      inside: "circuit: { frames: { name: inside } }",
    }),
  );
  const rows = async () => {
    const found: Record<string, { status: unknown; macs: unknown }> = {};
    for await (const row of left.appliance.view("port", "lan")) {
      found[String(row["port"])] = { status: row["status"], macs: row["macs"] };
    }
    return found;
  };
  await until(async () => (await rows())["t/first"]?.status === "up");
  right.ends.get("inside")!.send(1);
  await until(() => right.ends.get("second")!.received.length === 1);
  wire.cut.rightToLeft = true;
  await until(async () => (await rows())["t/first"]?.status === "down");
  assert.equal((await rows())["t/first"]!.macs, 0);
  assert.equal((await rows())["t/second"]!.status, "up");
  wire.cut.rightToLeft = false;
  await until(async () => (await rows())["t/first"]?.status === "up");
  await until(() => all(left, "up"));
});
