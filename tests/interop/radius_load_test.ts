/**
 * RADIUS under load, and with servers that are away: a login is never lost, nor a record. Small here; as large as the
 * appliance has to bear in `deno task soak`.
 */

import assert from "node:assert/strict";
import type { Account, Subscriber, Usage } from "../../plugins/ppp/aaa/mod.ts";
import { radiusOptions } from "../../plugins/ppp/aaa/options.ts";
import { openRadius } from "../../plugins/ppp/aaa/radius/mod.ts";
import { makeRadiusScope } from "./support/radius_scope.ts";
import { Responder, RESPONDER_SECRET } from "./support/responder.ts";
import { sleep, until } from "./support/process.ts";
import { say } from "./support/suite.ts";

const soak = Deno.env.get("ISTHMUS_SOAK") !== undefined;
const [perSecond, seconds] = soak ? [2000, 15] : [500, 2];
const [sessions, awayMs] = soak ? [5000, 60_000] : [300, 4000];

const text = (value: string) => new TextEncoder().encode(value);
const signal = new AbortController().signal;

function optionsFor({ port }: Responder, more: object = {}) {
  return radiusOptions.parse({
    servers: {
      one: {
        address: "127.0.0.1",
        "auth-port": port,
        "acct-port": port,
        secret: RESPONDER_SECRET,
        "timeout-ms": 3000,
        "dead-time-s": 2,
      },
    },
    "accounting-on": false,
    ...more,
  });
}

Deno.test(`a server that takes a second answers ${perSecond} logins a second, and none is lost`, async () => {
  await using responder = new Responder();
  responder.delayMs = 1000;
  await using own = makeRadiusScope();
  const radius = await openRadius(own.scope, optionsFor(responder), false);
  const logins: Promise<string>[] = [];
  const began = performance.now();
  for (let slice = 0; slice < seconds * 50; slice++) {
    for (let i = 0; i < perSecond / 50; i++) {
      const name = text(`user${logins.length}`);
      const call = { id: `c${logins.length}`, name: `lac/${logins.length}`, portType: 5 };
      const asked = { kind: "pap", name, password: text("pass") } as const;
      logins.push(radius.check(asked, call, signal).then(({ kind }) => kind));
    }
    await sleep(Math.max(0, began + (slice + 1) * 20 - performance.now()));
  }
  const answers = await Promise.all(logins);
  assert.equal(answers.filter((kind) => kind === "accept").length, perSecond * seconds);
  const [row] = radius.rows();
  say(
    `${answers.length} logins in ${Math.round(performance.now() - began)} ms, ${
      row!["retransmissions"]
    } sent again`,
  );
});

Deno.test("other servers take over while sessions go on: logins in flight are answered, accounts are told on", async () => {
  await using first = new Responder();
  await using second = new Responder();
  await using own = makeRadiusScope();
  const radius = await openRadius(own.scope, optionsFor(first), true);
  const open = (i: number) => radius.account(new Traffic().subscriber("r", i));
  const accounts = [open(0), open(1)];
  await until("both Starts are told", () => first.records.length === 2);
  first.delayMs = 500;
  const asked = { kind: "pap", name: text("bob"), password: text("pass") } as const;
  const login = radius.check(asked, { id: "c", name: "lac/c", portType: 5 }, signal);
  await until("the login is asked for", () => first.logins === 1);
  await radius.reconfigure(optionsFor(second));
  accounts[0]!.stop("user-request", nothing);
  accounts.push(open(2));
  await until("the others are told", () => second.records.length === 2);
  assert.equal((await login).kind, "accept");
  assert.deepEqual([first.logins, second.logins], [1, 0]);
  assert.deepEqual(second.records.map(({ session, status }) => `${session} ${status}`).sort(), [
    "r-0 2",
    "r-2 1",
  ]);
  const wrong = radiusOptions.parse({
    ...optionsFor(second),
    map: [{ attribute: "No-Such", to: "filter" }],
  });
  await assert.rejects(radius.reconfigure(wrong), /no dictionary has an attribute No-Such/);
  accounts[1]!.stop("user-request", nothing);
  await until("the last is told", () => second.records.length === 3);
  assert.deepEqual(
    radius.rows().map(({ address }) => address),
    Array(2).fill(`127.0.0.1:${second.port}`),
  );
});

Deno.test("a realm's servers are told of its sessions, whatever name the reply gave; MS-CHAPv2 needs a proof back", async () => {
  await using first = new Responder();
  await using second = new Responder();
  await using own = makeRadiusScope();
  const server = ({ port }: Responder) => ({
    address: "127.0.0.1",
    "auth-port": port,
    "acct-port": port,
    secret: RESPONDER_SECRET,
  });
  const options = radiusOptions.parse({
    servers: { first: server(first), second: server(second) },
    realms: [{ realm: "b.example", servers: ["second"] }],
    "accounting-on": false,
  });
  const radius = await openRadius(own.scope, options, true);
  second.grant = [{ vendor: 0, type: 1, value: text("plain") }];
  const call = { id: "r-0", name: "lac/0", portType: 5 };
  const name = text("bob@b.example");
  const answer = await radius.check({ kind: "pap", name, password: text("x") }, call, signal);
  assert.ok(answer.kind === "accept" && answer.grant.user === "plain");
  radius.account({ ...new Traffic().subscriber("r", 0), grant: answer.grant });
  await until("the Start is told", () => second.records.length === 1);
  assert.equal(first.records.length, 0);
  const response = new Uint8Array(49);
  const asked = { kind: "mschapv2", name, id: 1, challenge: new Uint8Array(16), response } as const;
  const refused = await radius.check(asked, call, signal);
  assert.ok(refused.kind === "reject" && /without MS-CHAP2-Success/.test(refused.reason));
});

/** Sessions that carry more and more. */
class Traffic {
  readonly usage: Usage[] = Array.from({ length: sessions }, () => nothing);
  readonly accounts: Account[] = [];
  /** What each carried when it ended. */
  readonly sums = new Map<string, Usage>();

  carry(): void {
    this.usage.forEach((one, i) => {
      this.usage[i] = {
        upOctets: one.upOctets + 1_000_000_007 + i,
        downOctets: one.downOctets + 3_000_000_019 + i,
        upPackets: one.upPackets + 11,
        downPackets: one.downPackets + 13,
      };
    });
  }

  subscriber(run: string, i: number): Subscriber {
    return {
      call: { id: `${run}-${i}`, name: `lac/${i}`, portType: 5 },
      grant: { user: `user${i}` },
      authentic: "radius",
      framed: () => ({ address: "10.0.0.7" }),
      read: () => Promise.resolve(this.usage[i]!),
      change: () => Promise.resolve(),
      end() {},
    };
  }

  stop(run: string, i: number): void {
    this.sums.set(`${run}-${i}`, this.usage[i]!);
    this.accounts[i]!.stop("user-request", this.usage[i]!);
  }
}

const nothing: Usage = { upOctets: 0, downOctets: 0, upPackets: 0, downPackets: 0 };

Deno.test(`servers are away for ${awayMs} ms under ${sessions} sessions and two restarts: each Stop comes once, and every octet`, async () => {
  await using responder = new Responder();
  const folder = await Deno.makeTempDir();
  const store = `${folder}/accounts.sqlite`;
  const options = optionsFor(responder, { "interim-s": 2, "least-interim-s": 1 });
  try {
    const traffic = new Traffic();
    {
      await using own = makeRadiusScope(store);
      const radius = await openRadius(own.scope, options, true);
      for (let i = 0; i < sessions; i++) {
        traffic.accounts.push(radius.account(traffic.subscriber("a", i)));
      }
      await until("all have begun", () => responder.records.length >= sessions, 60_000);
      responder.answers = false;
      const end = performance.now() + awayMs;
      for (let i = 0; performance.now() < end; i = Math.min(i + sessions / 40, sessions / 2)) {
        traffic.carry();
        for (
          let k = Math.floor(i);
          k < Math.floor(Math.min(i + sessions / 40, sessions / 2));
          k++
        ) {
          traffic.stop("a", k);
        }
        await sleep(awayMs / 60);
      }
      for (let i = 0; i < sessions; i++) if (!traffic.sums.has(`a-${i}`)) traffic.stop("a", i);
    }
    // A second run, which crashes in the middle of its sessions, while servers are still away.
    const crashed = makeRadiusScope(store);
    const second = await openRadius(crashed.scope, options, true);
    for (let i = 0; i < 50; i++) second.account(traffic.subscriber("b", i));
    const last = traffic.usage.map((one) => one);
    await sleep(4000);
    await crashed.crash();

    responder.answers = true;
    await using own = makeRadiusScope(store);
    await openRadius(own.scope, options, true);
    const stops = () => responder.records.filter(({ status }) => status === 2);
    const began = performance.now();
    await until("all Stops are told", () => stops().length >= sessions + 50, 120_000);
    say(`${sessions + 50} Stops were told in ${Math.round(performance.now() - began)} ms`);
    await sleep(500);
    assert.equal(stops().length, sessions + 50, "no Stop comes twice");
    for (const { cause, down, session, up } of stops()) {
      const [run, i] = session.split("-");
      const sum = run === "a" ? traffic.sums.get(session) : last[Number(i)];
      assert.deepEqual([up, down], [sum?.upOctets, sum?.downOctets], session);
      assert.equal(cause, run === "a" ? 1 : 11, session);
    }
    const starts = responder.records.filter(({ status }) => status === 1);
    assert.equal(new Set(starts.map(({ session }) => session)).size, sessions + 50);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
