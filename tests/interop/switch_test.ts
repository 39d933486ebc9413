/**
 * Switches of an appliance, with TAPs of hosts and pseudowires to another appliance as their ports: rows of Open vSwitch's
 * table as frames of raw sockets, who must not get what, a loop made on purpose, VLAN pseudowires as tshark sees them, and
 * a flood of MAC addresses beside 100,000 that are known, and the words of the command line.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { numbered, sendFrames, type SentFrame, tagsOf, type Where } from "./support/frames.ts";
import { makePair, type Pair } from "./support/place.ts";
import { output, until } from "./support/process.ts";
import { suite } from "./support/suite.ts";
import { tshark } from "./support/tshark.ts";
import { ping } from "./support/traffic.ts";

const table = await Deno.readTextFile(
  new URL("../../wasm/tests/testdata/ovs-vlan-truth.tsv", import.meta.url),
);
/** In port, its configuration in the words of `ovs-vsctl`, frame, and who gets it. */
const rows = table.split("\n").filter((line) => /^p\d+\t/.test(line)).map((line) =>
  line.split("\t") as [string, string, string, string]
);
const ports = [...new Map(rows.map(([port, words]) => [port, words]))];
/** Of the table's ports, these are pseudowires, the others TAPs. */
const remote = new Set(["p3", "p5", "p8", "p9", "p12"]);

/** A port's configuration in YAML. */
function portOptions(words: string): string {
  return words.split(" ").map((word) => {
    const [key = "", value = ""] = word.replace("other_config:", "").split("=");
    const list = ["trunks", "cvlans"].includes(key);
    return `${key.replace("_", "-")}: ${
      list ? `[${value}]` : key === "tag" ? value : `"${value}"`
    }`;
  }).join(", ");
}

/** Sessions of both ends; `near` and `far` are what each says of its own beside the ids. */
const sessions: { name: string; near: string; far: string }[] = [
  ...ports.filter(([port]) => remote.has(port)).map(([port, words]) => ({
    name: port,
    near: `circuit: { switch: { switch: table, ${portOptions(words)} } }`,
    far: `circuit: { tap: ${port} }`.replace(port, `{ name: ${port} }`),
  })),
  { name: "h3", near: "circuit: { hosts: { split-horizon-group: peers } }", far: tapOf("h3", 3) },
  { name: "h4", near: "circuit: { hosts: { split-horizon-group: peers } }", far: tapOf("h4", 4) },
  {
    name: "vlan",
    near: "pw-type: ethernet-vlan, vlan-id: 10, circuit: { switch: { switch: vlans } }",
    far: "pw-type: ethernet-vlan, vlan-id: 20, circuit: { switch: { switch: vlans } }",
  },
];

function tapOf(name: string, host: number): string {
  return `circuit: { tap: { name: ${name}, addresses: [10.5.0.${host}/24] } }`;
}

const near = (pair: Pair) => (adminSocket: string) => `
admin: { listen: "unix:${adminSocket}" }
switches:
  table:
    ports:
${
  ports.filter(([port]) => !remote.has(port)).map(([port, words]) =>
    `      ${port}: { tap: ${port}, ${portOptions(words)} }`
  ).join("\n")
}
  lan:
    loop: { block: 2000 }
    ports:
      h1: { tap: { name: h1, netns: ${pair.here.namespace}-h1, addresses: [10.5.0.1/24] } }
      h2: { tap: { name: h2, netns: ${pair.here.namespace}-h2, addresses: [10.5.0.2/24] }, protected: true }
      h5: { tap: { name: h5, netns: ${pair.here.namespace}-h5, addresses: [10.5.0.5/24] }, protected: true }
  vlans:
    ports: { trunk: { tap: trunk } }
  crowd:
    mac-table-size: 104000
    ports:
      c1: { tap: { name: c1, netns: ${pair.here.namespace}-h1, addresses: [10.6.0.1/24] } }
      c2: { tap: { name: c2, netns: ${pair.here.namespace}-h2, addresses: [10.6.0.2/24] } }
      many: { tap: many }
      noisy: { tap: noisy, mac-table-size: 1000 }
circuits:
  hosts: { switch: { switch: lan } }
tunnels:
  t:
    static: { tunnel-id: 1, peer-tunnel-id: 1 }
    local: 10.77.0.1:1701
    remote: 10.77.0.2:1701
    sessions:
${sessions.map((one, at) => session(one.name, at, one.near)).join("\n")}
`;

const far = (adminSocket: string) => `
admin: { listen: "unix:${adminSocket}" }
switches:
  vlans:
    ports: { access: { tap: access, tag: 20 } }
tunnels:
  t:
    static: { tunnel-id: 1, peer-tunnel-id: 1 }
    local: 10.77.0.2:1701
    remote: 10.77.0.1:1701
    sessions:
${sessions.map((one, at) => session(one.name, at, one.far)).join("\n")}
`;

function session(name: string, at: number, rest: string): string {
  return `      ${name}: { session-id: ${at + 1}, peer-session-id: ${at + 1}, ${rest} }`;
}

interface Context {
  readonly pair: Pair;
  readonly near: Appliance;
  readonly far: Appliance;
}

const { test } = suite<Context>(
  import.meta.url,
  ["root", "tun", "ip", "ping", "python3", "tshark"],
  async (stack) => {
    const pair = stack.use(await makePair());
    for (const host of ["h1", "h2", "h5"]) {
      const namespace = `${pair.here.namespace}-${host}`;
      await output(["ip", "netns", "add", namespace]);
      stack.defer(async () => void await output(["ip", "netns", "del", namespace]));
    }
    // What is on a wire is what a test sent: no host speaks by itself.
    for (const { here } of [pair.here, pair.there]) {
      await here("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
    }
    const context = {
      pair,
      near: stack.use(await startAppliance(pair.here, near(pair))),
      far: stack.use(await startAppliance(pair.there, far)),
    };
    await until("all ports are there", async () => {
      const found = await context.near.get<View>("/v1/views/port");
      return found.rows.length === 12 + 5 + 2 + 4;
    });
    return context;
  },
);

interface View {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

const portsOf = async (appliance: Appliance, of: string) =>
  (await appliance.get<View>(`/v1/views/port?name=${of}`)).rows;

/** Where the devices of ports are. */
function taps({ here, there }: Pair): Record<string, Where> {
  return Object.fromEntries(
    ports.map(([port]) => [port, [(remote.has(port) ? there : here).namespace, port] as const]),
  );
}

const named: Readonly<Record<string, string>> = {
  "untagged": "",
  "prio-tag pcp5": "8100a000",
  "vid 8": "81000008",
  "vid 10": "8100000a",
  "vid 12": "8100000c",
  "vid 4095": "81000fff",
  "vid 10 pcp3": "8100600a",
  "ad 10 / q 12": "88a8000a8100000c",
  "q 10 / q 8": "8100000a81000008",
};

/** `p1=[8100:10.3] p2=[]` as the tags that each port's frame has. */
function expected(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(/(p\d+)=\[([^\]]*)\]/g)].map(([, port, tags]) => [
      port,
      tags!.split(" ").filter((tag) => tag !== "").map((tag) => {
        const [, tpid, vid, pcp = "0"] = /^(\w+):(\d+)(?:\.(\d))?$/.exec(tag)!;
        return tpid + (Number(pcp) << 13 | Number(vid)).toString(16).padStart(4, "0");
      }).join(""),
    ]),
  );
}

test("rows of Open vSwitch's table hold through sockets and TAPs", async ({ pair }) => {
  const some = rows.filter((_, at) => at % 4 === 1);
  assert.ok(some.length >= 20);
  const sent = some.map(([port, , frame, outputs]): SentFrame => [
    port,
    numbered(named[frame]!),
    Object.keys(expected(outputs)),
  ]);
  const got = await sendFrames(taps(pair), sent);
  for (const [at, [port, words, frame, outputs]] of some.entries()) {
    const tags = Object.fromEntries(
      Object.entries(got[at]!).map(([port, frames]) => [port, frames.map(tagsOf).join(" and ")]),
    );
    assert.deepEqual(tags, expected(outputs), `${port} (${words}), ${frame}`);
  }
});

/** A host's place. */
const host = ({ here, there }: Pair, name: string) =>
  name === "h3" || name === "h4" ? there : {
    ...here,
    tryHere: (argv: readonly string[]) =>
      here.tryHere(["nsenter", `--net=/run/netns/${here.namespace}-${name}`, ...argv]),
  };

test("hosts reach each other, but not from protected port to protected port", async ({ near, pair }) => {
  const reaches = async (from: string, to: number, ...options: string[]) =>
    (await ping(host(pair, from), `10.5.0.${to}`, ...options)).received;
  assert.equal(await reaches("h1", 2), 5);
  assert.equal(await reaches("h1", 3), 5);
  assert.equal(await reaches("h2", 4), 5);
  assert.equal(await reaches("h2", 5, "-W", "1"), 0);
  const { rows } = await near.get<View>("/v1/views/fdb?name=lan");
  const known = new Map(rows.map(({ mac, port }) => [port, mac]));
  for (const port of ["h1", "h2", "t/h3", "t/h4"]) assert.ok(known.has(port), port);
  await until("what is kept from a protected port is counted", async () => {
    const rows = await portsOf(near, "lan");
    return rows.some(({ counters }) => (counters as Record<string, number>)["tx-protected"]! > 0);
  });
});

test("pseudowires of one split-horizon group send each other nothing", async ({ pair }) => {
  const where: Record<string, Where> = {
    h1: [`${pair.here.namespace}-h1`, "h1"],
    h3: [pair.there.namespace, "h3"],
    h4: [pair.there.namespace, "h4"],
  };
  const [fromPeer, fromHost] = await sendFrames(where, [
    ["h3", numbered("", undefined, "020000000103"), ["h1"]],
    ["h1", numbered("", undefined, "020000000101"), ["h3", "h4"]],
  ]);
  assert.deepEqual(Object.keys(fromPeer!), ["h1"]);
  assert.deepEqual(Object.keys(fromHost!).sort(), ["h3", "h4"]);
});

test("a VLAN pseudowire rewrites the id at its end and takes nothing else", async ({ near, pair }) => {
  const where: Record<string, Where> = {
    trunk: [pair.here.namespace, "trunk"],
    access: [pair.there.namespace, "access"],
  };
  const capture = `${pair.here.folder}/vlan.pcap`;
  await using sniffer = pair.here.background(
    "tcpdump",
    "tcpdump",
    "-U",
    "-i",
    "wire",
    "-w",
    capture,
  );
  await until("tcpdump listens", async () => (await sniffer.log()).includes("listening"));
  const [from, to, untagged, foreign] = await sendFrames(where, [
    ["trunk", numbered("8100a00a", undefined, "020000000201"), ["access"]],
    ["access", numbered("", "020000000201", "020000000202"), ["trunk"]],
    ["trunk", numbered("", undefined, "020000000203"), []],
    ["trunk", numbered("8100000b", undefined, "020000000203"), []],
  ]);
  assert.deepEqual(from!["access"]!.map(tagsOf), [""]);
  assert.deepEqual(to!["trunk"]!.map(tagsOf), ["8100000a"]);
  assert.deepEqual([untagged, foreign], [{}, {}]);
  await until("the two others are counted", async () => {
    const of = (await portsOf(near, "vlans")).find(({ port }) => port === "t/vlan")!;
    return (of["counters"] as Record<string, number>)["tx-vlan-foreign"] === 2;
  });
  const fields = ["l2tp.sid", "vlan.id", "vlan.priority"].flatMap((field) => ["-e", field]);
  let tags: string[][] = [];
  await until("two frames were captured", async () => {
    const decoded = await tshark(
      capture,
      ...["-d", "udp.port==1701,l2tp", "-d", "l2tp.pw_type==0,eth"],
      ...["-o", "l2tp.cookie_size:None", "-o", "l2tp.l2_specific:Default L2-Specific"],
      ...["-Y", "vlan", "-T", "fields", ...fields],
    );
    tags = decoded.trim().split("\n").map((line) => line.split("\t").slice(1));
    return tags.length >= 2;
  });
  assert.deepEqual(tags, [["10", "5"], ["20", "0"]]);
});

test("a loop blocks a port, the others lose next to nothing, and it ends with the loop", async ({ near, pair }) => {
  const { here } = pair.here;
  await here("ip", "link", "add", "la", "type", "veth", "peer", "name", "lb");
  for (const end of ["la", "lb"]) await here("ip", "link", "set", end, "up");
  for (const end of ["la", "lb"]) {
    const { code, stderr } = await near.cli("add", "port", "lan", end, "interface", end);
    assert.equal(code, 0, stderr);
  }
  const flood = host(pair, "h1").tryHere(
    ["ping", "-q", "-n", "-c", "300", "-i", "0.01", "-W", "1", "10.5.0.2"],
  );
  // Broadcasts, which go round and round.
  const where: Record<string, Where> = { h1: [`${pair.here.namespace}-h1`, "h1"] };
  await sendFrames(where, [["h1", numbered("", undefined, "020000000301"), ["h1"]]]);
  const blocked = async () =>
    (await portsOf(near, "lan")).filter(({ blocked }) => Number(blocked) > 0).map(({ port }) =>
      port
    );
  await until("a port is blocked", async () => (await blocked()).length > 0);
  const [first, ...others] = await blocked();
  assert.ok(others.length === 0 && (first === "la" || first === "lb"), `${first} ${others}`);
  const { received, sent } = parse((await flood).stdout);
  assert.ok(received >= sent * 0.99, `${received} of ${sent}`);
  for (const end of ["la", "lb"]) assert.equal((await near.cli("del", "port", "lan", end)).code, 0);
  await here("ip", "link", "del", "la");
  await until("nothing is blocked", async () => (await blocked()).length === 0);
});

/** Sends frames by a device: its stations' hellos, one each, or for some seconds frames of anyone to anyone. */
const crowd = `
import os, socket, sys, time
device, count, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
s.bind((device, 0))
start = time.monotonic()
for i in range(count):
    own = b"\\x02\\x01" + i.to_bytes(4, "big")
    names = own + own if device == "many" else b"\\x06" + os.urandom(5) + b"\\x06" + os.urandom(5)
    s.send(names + b"\\x88\\xb5" + bytes(46))
    if i % 32 == 0:
        ahead = i / count * seconds - (time.monotonic() - start)
        if ahead > 0:
            time.sleep(ahead)
`;
/** In the soak as long as an operator would watch it. */
const floodSeconds = Deno.env.get("ISTHMUS_SOAK") ? 30 : 3;

test("a flood of MAC addresses costs 100,000 that are known nothing", async ({ near, pair }) => {
  const send = (device: string, count: number, seconds: number) =>
    pair.here.tryHere(["python3", "-c", crowd, device, `${count}`, `${seconds}`], {
      timeoutMs: 120_000,
    });
  const of = async (name: string) => {
    const found = (await portsOf(near, "crowd")).find(({ port }) => port === name)!;
    return { macs: Number(found["macs"]), counters: found["counters"] as Record<string, number> };
  };
  await until("all stations are known", async () => {
    const { code, stderr } = await send("many", 100_000, 4);
    assert.equal(code, 0, stderr);
    return (await of("many")).macs === 100_000;
  }, 60_000);
  assert.equal((await ping(host(pair, "h1"), "10.6.0.2")).received, 5);

  const flood = send("noisy", floodSeconds * 10_000, floodSeconds);
  const pings = await host(pair, "h1").tryHere(
    ["ping", "-q", "-n", "-c", `${floodSeconds * 50}`, "-i", "0.02", "-W", "2", "10.6.0.2"],
    { timeoutMs: 120_000 },
  );
  // What is for one of the 100,000 reaches the port that it is behind, and nobody else.
  const where: Record<string, Where> = {
    c1: [`${pair.here.namespace}-h1`, "c1"],
    c2: [`${pair.here.namespace}-h2`, "c2"],
    many: [pair.here.namespace, "many"],
  };
  assert.equal((await flood).code, 0);
  const stations = Array.from({ length: 20 }, (_, at) => at * 5003);
  const got = await sendFrames(
    where,
    stations.map((at): SentFrame => [
      "c1",
      numbered("", `0201${at.toString(16).padStart(8, "0")}`, "020000000501"),
      ["many"],
    ]),
    0.05,
  );
  assert.deepEqual(got.map((each) => Object.keys(each)), stations.map(() => ["many"]));
  const { received, sent } = parse(pings.stdout);
  assert.equal(received, sent, "of a ping beside the flood");
  const noisy = await of("noisy");
  assert.equal(noisy.macs, 1000);
  assert.ok(noisy.counters["not-learnt"]! > floodSeconds * 1000);
  assert.equal((await of("many")).macs, 100_000);
});

function parse(text: string) {
  const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(text)!;
  return { sent: Number(sent), received: Number(received) };
}

test("switches, ports and MAC tables are shown and changed by the command line", async ({ near, pair }) => {
  const isthmus = async (...args: string[]) => {
    const { code, stderr, stdout } = await near.cli(...args);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  assert.match(await isthmus("show", "switch"), /^SWITCH +PORTS +MACS/);
  await isthmus("add", "port", "lan", "h6", "tap", "h6", "tag", "6");
  await until("the port is there", async () => {
    return /h6 +tap h6 +up +access +6/.test(await isthmus("show", "port", "lan"));
  });
  await isthmus("set", "port", "lan", "h6", "tag", "7");
  assert.match(await isthmus("show", "port", "lan"), /h6 +tap h6 +up +access +7/);
  await isthmus("add", "fdb", "lan", "h6", "7", "02:00:00:00:07:07");
  assert.match(await isthmus("show", "fdb", "lan"), /lan +h6 +7 +02:00:00:00:07:07 +static/);
  // A host may say something by itself at any time, and is known again.
  await until("only the static one is left", async () => {
    await isthmus("flush", "fdb", "lan");
    const left = (await isthmus("show", "fdb", "lan")).trim().split("\n").slice(1);
    return left.length === 1 && left[0]!.includes("static");
  });
  await isthmus("del", "fdb", "lan", "7", "02:00:00:00:07:07");
  await isthmus("del", "port", "lan", "h6");
  const wrong = await near.cli("add", "fdb", "lan", "nobody", "0", "02:00:00:00:07:07");
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /no port nobody/);
  // A station that moves: traffic follows.
  const where: Record<string, Where> = {
    h1: [`${pair.here.namespace}-h1`, "h1"],
    h2: [`${pair.here.namespace}-h2`, "h2"],
    h3: [pair.there.namespace, "h3"],
  };
  const mover = "020000000401";
  const got = await sendFrames(where, [
    ["h2", numbered("", undefined, mover), ["h1", "h3"]],
    ["h1", numbered("", mover, "020000000402"), ["h2"]],
    ["h3", numbered("", undefined, mover), ["h1", "h2"]],
    ["h1", numbered("", mover, "020000000402"), ["h3"]],
  ]);
  assert.deepEqual([got[1], got[3]].map((each) => Object.keys(each!)), [["h2"], ["h3"]]);
});
