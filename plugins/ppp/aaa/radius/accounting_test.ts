import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import type { Framed, Grant, Subscriber, Usage } from "../authenticator.ts";
import { Accounting, type AccountingSetting } from "./accounting.ts";
import { builtInDictionary } from "./builtin.ts";
import { Client, type ServerSetting } from "./client.ts";
import { makeMeters } from "./meters.ts";
import { type Attribute, AttributeWriter, CODE, type Packet, readNumber } from "./packet.ts";
import { text } from "./requests.ts";
import { accept, MemoryNetwork, SECRET } from "./testing.ts";

const { formats } = builtInDictionary();
const server = (name: string): ServerSetting => ({
  name,
  address: `10.0.0.${name.charCodeAt(0) - 96}`,
  ports: { accounting: 1813 },
  secret: SECRET,
  weight: 1,
  backup: false,
  timeoutMs: 1000,
  tries: 2,
  deadTimeMs: 10_000,
  signed: "auto",
});
const quiet: AccountingSetting = {
  interimS: 0,
  leastInterimS: 1,
  jitterPercent: 0,
  inFlight: 64,
  keepDays: 7,
  on: false,
  nas: [text(32, "nas")],
  formats,
};

/** One run of an appliance: what it keeps is in `db`. */
async function run(
  db: DatabaseSync,
  { network = new MemoryNetwork(), servers = [server("a")], ...more }:
    & Partial<AccountingSetting>
    & { network?: MemoryNetwork; servers?: ServerSetting[] } = {},
) {
  const meters = makeMeters(network);
  const client = new Client(servers, network, meters, formats, []);
  await client.open();
  const accounting = new Accounting({ ...quiet, ...more }, network, client, meters, db);
  accounting.begin();
  return { network, accounting, client };
}

const usage = (octets: number): Usage => ({
  upOctets: octets,
  downOctets: 2 * octets,
  upPackets: octets / 100,
  downPackets: octets / 50,
});

function subscriber(
  id: string,
  grant: Partial<Grant> = {},
  state: { usage: Usage; framed: Framed } = { usage: usage(0), framed: {} },
): Subscriber {
  return {
    call: { id, name: `t/${id}`, portType: 5 },
    grant: { user: "alice", ...grant },
    authentic: "radius",
    framed: () => state.framed,
    read: () => Promise.resolve(state.usage),
    change: () => Promise.resolve(),
    end() {},
  };
}

/** What a record says, by attribute. */
function said(packet: Packet) {
  const all = (type: number) =>
    packet.attributes.filter((one) => one.vendor === 0 && one.type === type);
  const number = (type: number) => {
    const [found] = all(type);
    return found && readNumber(found.value, 0, found.value.length);
  };
  const wide = (low: number, high: number) => (number(high) ?? 0) * 2 ** 32 + (number(low) ?? 0);
  return {
    status: ["", "start", "stop", "interim", "", "", "", "on", "off"][number(40) ?? 0],
    id: new TextDecoder().decode(all(44)[0]?.value),
    up: wide(42, 52),
    down: wide(43, 53),
    number,
    all,
  };
}

const records = (network: MemoryNetwork) =>
  network.heard.filter(({ packet }) => packet.code === CODE.accountingRequest)
    .map(({ packet }) => said(packet));
const brief = (network: MemoryNetwork) =>
  records(network).map(({ id, status }) => `${id} ${status}`);

/** A network whose servers acknowledge all. */
/** Attributes as packets have them. */
function written(...attributes: Attribute[]): Uint8Array {
  const writer = new AttributeWriter(new Map());
  for (const attribute of attributes) writer.add(attribute);
  return writer.end();
}

function answering(): MemoryNetwork {
  const network = new MemoryNetwork();
  network.answer = (heard) => accept(heard);
  return network;
}

Deno.test("a session is told of: Start, Interims, Stop, with counters of 64 bits, classes and addresses", async () => {
  const db = new DatabaseSync(":memory:");
  const { network, accounting } = await run(db, { network: answering(), interimS: 60 });
  const state = {
    usage: usage(0),
    framed: { address: "10.0.0.7", delegatedPrefixes: ["2001:db8:100::/56"] } as Framed,
  };
  const classes = [Uint8Array.of(1, 2), Uint8Array.of(3)];
  const account = accounting.open(
    subscriber("s1", { class: classes }, state),
    written(text(44, "s1"), text(1, "alice")),
    undefined,
  );
  await network.advance(60_000);
  state.usage = usage(5_000_000_000);
  await network.advance(60_000);
  account.stop("idle-timeout", usage(6_000_000_000));
  account.stop("user-request", usage(9_000_000_000));
  await network.advance(1000);
  assert.deepEqual(brief(network), ["s1 start", "s1 interim", "s1 interim", "s1 stop"]);
  const all = records(network);
  for (const record of all) {
    assert.deepEqual(record.all(25).map(({ value }) => [...value]), [[1, 2], [3]]);
    assert.deepEqual([...record.all(8)[0]!.value], [10, 0, 0, 7]);
    assert.equal(record.all(123)[0]!.value.toHex(), "003820010db80100" + "00".repeat(1));
    assert.equal(record.number(41), 0);
  }
  const [start, , interim, stop] = all;
  assert.equal(start!.number(55), 1_700_000_000);
  assert.deepEqual([interim!.up, interim!.down, interim!.number(46)], [5e9, 10e9, 120]);
  assert.deepEqual([stop!.up, stop!.down, stop!.number(46)], [6e9, 12e9, 120]);
  assert.equal(stop!.number(49), 4);
  assert.equal(stop!.number(55), 1_700_000_120);
  assert.equal(accounting.pending(), 0);
  assert.equal(db.prepare("SELECT count(*) AS n FROM radius_account").get()!["n"], 0);
});

Deno.test("while servers are dead nothing is lost, and each record is told once when they are back", async () => {
  const network = new MemoryNetwork();
  const { accounting } = await run(new DatabaseSync(":memory:"), { network, interimS: 10 });
  const state = { usage: usage(100), framed: {} };
  const open = (id: string) =>
    accounting.open(subscriber(id, {}, state), written(text(44, id)), undefined);
  const accounts = Array.from({ length: 200 }, (_, i) => open(`s${i}`));
  await network.advance(30_000);
  state.usage = usage(700);
  for (const account of accounts.slice(0, 100)) account.stop("lost-carrier", usage(500));
  await network.advance(30_000);
  const tried = network.heard.length;
  assert.ok(tried < 200, `${tried} packets to a dead server`);
  network.heard.length = 0;
  network.answer = (heard) => accept(heard);
  await network.advance(25_000);
  const all = records(network);
  for (let i = 0; i < 200; i++) {
    const own = all.filter(({ id }) => id === `s${i}`);
    assert.equal(own.filter(({ status }) => status === "start").length, 1, `start of s${i}`);
    const stops = own.filter(({ status }) => status === "stop");
    assert.deepEqual(stops.map(({ up }) => up), i < 100 ? [500] : []);
    if (i < 100) assert.equal(own.at(-1)!.status, "stop");
    else assert.equal(own.at(-1)!.up, 700);
  }
  const stop = all.find(({ status }) => status === "stop")!;
  assert.ok(stop.number(41)! >= 30, "Acct-Delay-Time says how late it is");
});

Deno.test("accounts that end together are kept together, a bounded number at a time, and each before its stop resolves", async () => {
  const db = new DatabaseSync(":memory:");
  const { network, accounting } = await run(db);
  const accounts = Array.from(
    { length: 1000 },
    (_, i) => accounting.open(subscriber(`s${i}`), written(text(44, `s${i}`)), undefined),
  );
  await network.advance(1000);
  const exec = db.exec.bind(db);
  let transactions = 0;
  const open = db.prepare("SELECT count(*) AS n FROM radius_account WHERE cause IS NULL");
  const left: number[] = [];
  db.exec = (sql) => {
    exec(sql);
    if (sql === "BEGIN") transactions++;
    if (sql === "COMMIT") left.push(Number(open.get()!["n"]));
  };
  const isKept = db.prepare("SELECT cause FROM radius_account WHERE id = ?");
  const early: string[] = [];
  const stops = accounts.map(async (account, i) => {
    await account.stop("user-request", usage(i));
    if (isKept.get(`s${i}`)?.["cause"] !== 1) early.push(`s${i}`);
  });
  await network.advance(10);
  await Promise.all(stops);
  assert.deepEqual(early, []);
  assert.ok(transactions <= 10, `${transactions} transactions`);
  assert.equal(left.at(-1), 0);
  const most = Math.max(...left.map((n, i) => (left[i - 1] ?? 1000) - n));
  assert.ok(most <= 256, `${most} at once`);
});

Deno.test("what could not be kept for a while is kept later, a bounded number at a time", async () => {
  const db = new DatabaseSync(":memory:");
  const { network, accounting } = await run(db);
  const exec = db.exec.bind(db);
  const count = db.prepare("SELECT count(*) AS n FROM radius_account");
  const sums: number[] = [];
  let full = true;
  db.exec = (sql) => {
    if (full && sql === "BEGIN") throw new Error("disk full");
    exec(sql);
    if (sql === "COMMIT") sums.push(Number(count.get()!["n"]));
  };
  for (let i = 0; i < 1000; i++) {
    accounting.open(subscriber(`s${i}`), written(text(44, `s${i}`)), undefined);
  }
  const stopped = accounting.open(subscriber("x"), written(text(44, "x")), undefined)
    .stop("user-request", usage(1));
  await network.advance(200);
  // Nobody waits for what cannot be done.
  await stopped;
  assert.deepEqual(sums, []);
  full = false;
  await network.advance(3000);
  assert.equal(sums.at(-1), 1001);
  const most = Math.max(...sums.map((n, i) => n - (sums[i - 1] ?? 0)));
  assert.ok(most <= 256, `${most} at once`);
});

Deno.test("what ends after accounting has ended is kept at once", async () => {
  const db = new DatabaseSync(":memory:");
  const first = await run(db);
  const late = first.accounting.open(subscriber("late"), written(text(44, "late")), undefined);
  const ended = first.accounting.end();
  await first.network.advance(3000);
  await ended;
  void late.stop("user-request", usage(200));
  first.client.close();
  const network = answering();
  await run(db, { network });
  await network.advance(5000);
  assert.deepEqual(records(network).find(({ status }) => status === "stop")?.up, 200);
});

Deno.test("a restart tells what was not told; a crash ends sessions with their last readings", async () => {
  const db = new DatabaseSync(":memory:");
  const first = await run(db, { interimS: 10 });
  const state = { usage: usage(300), framed: {} };
  const open = (id: string) =>
    first.accounting.open(subscriber(id, {}, state), written(text(44, id)), undefined);
  open("stays");
  open("ends").stop("user-request", usage(200));
  await first.network.advance(25_000);
  state.usage = usage(900);
  first.client.close();

  const network = answering();
  await run(db, { network });
  await network.advance(5000);
  const all = records(network);
  assert.deepEqual(brief(network).sort(), ["ends start", "ends stop", "stays start", "stays stop"]);
  const stopOf = (id: string) => all.find((one) => one.id === id && one.status === "stop")!;
  assert.deepEqual([stopOf("ends").up, stopOf("ends").number(49)], [200, 1]);
  assert.deepEqual([stopOf("stays").up, stopOf("stays").number(49)], [300, 11]);
  assert.ok(
    all.findIndex(({ status }) => status === "start") <
      all.findIndex(({ status }) => status === "stop"),
  );

  const third = answering();
  await run(db, { network: third });
  await third.advance(5000);
  assert.deepEqual(brief(third), []);
});

Deno.test("Accounting-On comes before all else, Accounting-Off after it", async () => {
  const { network, accounting } = await run(new DatabaseSync(":memory:"), {
    network: answering(),
    on: true,
    servers: [server("a"), server("b")],
  });
  const account = accounting.open(subscriber("s", {}), written(text(44, "s")), undefined);
  await network.advance(1000);
  account.stop("user-request", usage(0));
  const ended = accounting.end();
  await network.advance(3000);
  await ended;
  const all = records(network).map(({ status }) => status);
  assert.deepEqual(all, ["on", "on", "start", "stop", "off", "off"]);
});

Deno.test("no Accounting-Off closes sessions whose Stops are not told, and no late Accounting-On those that were", async () => {
  const network = new MemoryNetwork();
  const { accounting, client } = await run(new DatabaseSync(":memory:"), { network, on: true });
  accounting.open(subscriber("s", {}), written(text(44, "s")), undefined);
  await network.advance(6000);
  assert.ok(records(network).every(({ status }) => status === "on" || status === "start"));
  const ended = accounting.end();
  await network.advance(3000);
  await ended;
  client.close();
  const before = records(network).length;
  assert.ok(records(network).every(({ status }) => status !== "off"));
  await network.advance(100_000);
  assert.equal(records(network).length, before, "nothing is sent after the end");
});

Deno.test("an Accounting-On that came late names the time it is of", async () => {
  const network = new MemoryNetwork();
  await run(new DatabaseSync(":memory:"), { network, on: true });
  await network.advance(20_000);
  network.heard.length = 0;
  network.answer = (heard) => accept(heard);
  await network.advance(30_000);
  const [on, ...more] = records(network);
  assert.deepEqual([on!.status, on!.number(55), more.length], ["on", 1_700_000_000, 0]);
  assert.ok(on!.number(41)! >= 20);
});

Deno.test("Interims follow the reply's interval, not below the least, and with jitter do not keep step", async () => {
  const { network, accounting } = await run(new DatabaseSync(":memory:"), {
    network: answering(),
    interimS: 600,
    leastInterimS: 60,
    jitterPercent: 20,
  });
  for (let i = 0; i < 50; i++) {
    const grant = { interimIntervalS: i < 25 ? 5 : 120 };
    accounting.open(subscriber(`s${i}`, grant), written(text(44, `s${i}`)), undefined);
  }
  await network.advance(1_190_000);
  const interims = network.heard.filter(({ packet }) => said(packet).status === "interim");
  const often = interims.filter(({ packet }) => Number(said(packet).id.slice(1)) < 25);
  assert.ok(Math.abs(often.length - 19 * 25) <= 25, `${often.length} at 60 s`);
  const rare = interims.length - often.length;
  assert.ok(Math.abs(rare - 9 * 25) <= 25, `${rare} at 120 s`);
  const firsts = new Set(often.slice(0, 25).map(({ at }) => Math.round(at / 1000)));
  assert.ok(firsts.size > 5, "they are spread");
});

Deno.test("a change of addresses is told at once, and new classes are echoed", async () => {
  const { network, accounting } = await run(new DatabaseSync(":memory:"), { network: answering() });
  const state = { usage: usage(1000), framed: {} as Framed };
  const account = accounting.open(subscriber("s", {}, state), written(text(44, "s")), undefined);
  await network.advance(1000);
  state.framed = { delegatedPrefixes: ["2001:db8:100::/56"] };
  account.classify([Uint8Array.of(9)]);
  account.changed();
  await network.advance(1000);
  const last = records(network).at(-1)!;
  assert.deepEqual([last.status, last.up, last.all(123).length, last.all(25).length], [
    "interim",
    1000,
    1,
    1,
  ]);
});

Deno.test("only some servers are told where a realm says so", async () => {
  const { network, accounting } = await run(new DatabaseSync(":memory:"), {
    network: answering(),
    servers: [server("a"), server("b")],
  });
  for (let i = 0; i < 4; i++) {
    accounting.open(subscriber(`s${i}`), written(text(44, `s${i}`)), ["b"]);
  }
  await network.advance(1000);
  assert.deepEqual(network.heard.map(({ to }) => to.address), Array(4).fill("10.0.0.2"));
});

Deno.test("more than memory lists are told from the table, no more at once than wanted", async () => {
  const network = new MemoryNetwork();
  const { accounting } = await run(new DatabaseSync(":memory:"), { network, inFlight: 10 });
  for (let i = 0; i < 6000; i++) {
    accounting.open(subscriber(`s${i}`), written(text(44, `s${i}`)), undefined)
      .stop("user-request", usage(i));
  }
  await network.advance(5000);
  network.heard.length = 0;
  let [flying, most] = [0, 0];
  network.delayMs = 5;
  network.answer = (heard) => {
    most = Math.max(most, ++flying);
    network.timer(network.now() + 5, () => void flying--);
    return accept(heard);
  };
  for (let i = 0; i < 100 && accounting.pending() > 0; i++) await network.advance(1000);
  assert.equal(accounting.pending(), 0);
  const stops = records(network).filter(({ status }) => status === "stop");
  assert.equal(stops.length, 6000);
  assert.equal(stops.reduce((sum, { up }) => sum + up, 0), 6000 * 5999 / 2);
  assert.ok(most <= 11, `${most} in flight`);
});

Deno.test("accounts that no server took are given up after days, and counted", async () => {
  const db = new DatabaseSync(":memory:");
  const network = new MemoryNetwork();
  const { accounting } = await run(db, { network, keepDays: 1 });
  accounting.open(subscriber("old"), written(text(44, "old")), undefined).stop(
    "user-request",
    usage(0),
  );
  await network.advance(23 * 3_600_000);
  assert.equal(accounting.pending(), 1);
  await network.advance(3 * 3_600_000);
  assert.equal(accounting.pending(), 0);
  assert.equal(network.counts.get("radius_accounting_dropped"), 1);
});

Deno.test("what was read while an Interim was on its way is told after it", async () => {
  const network = answering();
  const { accounting } = await run(new DatabaseSync(":memory:"), { network });
  const state = { usage: usage(100), framed: {} };
  const account = accounting.open(subscriber("s", {}, state), written(text(44, "s")), undefined);
  await network.advance(1000);
  network.delayMs = 500;
  account.changed();
  await network.advance(100);
  state.usage = usage(900);
  account.changed();
  await network.advance(5000);
  assert.deepEqual(records(network).map(({ up }) => up), [0, 100, 900]);
});

Deno.test("a session ends once, however often that is said", async () => {
  const { accounting, network } = await run(new DatabaseSync(":memory:"), { network: answering() });
  const account = accounting.open(subscriber("s"), written(text(44, "s")), undefined);
  await network.advance(1000);
  account.stop("user-request", usage(100));
  await network.advance(1000);
  account.stop("lost-carrier", usage(200));
  account.changed();
  await network.advance(1000);
  assert.deepEqual(brief(network), ["s start", "s stop"]);
});

Deno.test("a server that takes records but no Accounting-On is left in peace", async () => {
  const network = new MemoryNetwork();
  network.answer = (heard) => said(heard.packet).status === "on" ? undefined : accept(heard);
  const { accounting } = await run(new DatabaseSync(":memory:"), { network, on: true });
  accounting.open(subscriber("s"), written(text(44, "s")), undefined);
  await network.advance(9000);
  assert.ok(brief(network).includes("s start"));
  const ons = () => records(network).filter(({ status }) => status === "on").length;
  const before = ons();
  await network.advance(60_000);
  assert.equal(ons(), before);
});

Deno.test("an account that is open is never too old", async () => {
  const { accounting, network } = await run(new DatabaseSync(":memory:"), { keepDays: 1 });
  accounting.open(subscriber("s"), written(text(44, "s")), undefined);
  await network.advance(30 * 3_600_000);
  assert.equal(accounting.pending(), 1);
});

Deno.test("tunnels and links are told of in RFC 2867's words, each until it is acknowledged, over a restart too", async () => {
  const db = new DatabaseSync(":memory:");
  const { network, accounting } = await run(db, { network: answering() });
  const fixed = [text(44, "s1"), text(1, "alice")] as const;
  const session = accounting.open(subscriber("s1"), written(...fixed), undefined);
  const tunnel = accounting.openTunnel(
    "tunnel",
    "t1",
    written(text(44, "t1"), text(50, "t1")),
    undefined,
  );
  const link = accounting.openTunnel("link", "s1", written(...fixed, text(50, "t1")), undefined);
  for (const kind of ["tunnel-reject", "link-reject"] as const) {
    accounting.openTunnel(kind, "r", written(text(44, "r")), undefined)
      .stop("service-unavailable", usage(0), 0);
  }
  await network.advance(5000);
  link.stop("lost-carrier", usage(100), 7);
  link.stop("user-request", usage(200), 9);
  session.stop("user-request", usage(100));
  await network.advance(1000);
  const statuses = () => records(network).map(({ number }) => number(40)).sort((a, b) => a! - b!);
  assert.deepEqual(statuses(), [1, 2, 9, 11, 12, 13, 14]);
  // RFC 2867 §3, octet by octet: Acct-Status-Type, Acct-Terminate-Cause, Acct-Tunnel-Packets-Lost.
  const octets = network.heard.map(({ packet }) => packet).find((packet) =>
    said(packet).number(40) === 13
  )!;
  const [linkStop] = [said(octets)];
  assert.deepEqual(
    [40, 49, 86].map((type) => linkStop.all(type).map(({ value }) => value.toHex())),
    [["0000000d"], ["00000002"], ["00000007"]],
  );
  assert.equal(new TextDecoder().decode(linkStop.all(50)[0]!.value), "t1");
  assert.deepEqual([linkStop.up, linkStop.down, linkStop.number(46)], [100, 200, 5]);
  for (const status of [11, 14]) {
    const reject = records(network).find(({ number }) => number(40) === status)!;
    assert.deepEqual([reject.number(49), reject.all(42).length, reject.all(46).length], [15, 0, 0]);
  }
  // Nobody stopped the tunnel: the next run does.
  await accounting.end();
  const next = await run(db, { network: answering() });
  await next.network.advance(6000);
  const [stop] = records(next.network);
  assert.deepEqual([stop!.id, stop!.number(40), stop!.number(49)], ["t1", 10, 11]);
  tunnel.stop("port-unneeded", usage(0), 0);
  await next.accounting.end();
});
