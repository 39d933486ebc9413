import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { makeHost } from "../../host/host.ts";
import type { Plugin, Scope } from "../../plugin.ts";
import { makeWorld, type World } from "../../testing/world.ts";
import { z } from "zod";
import { emitResponse, ntPasswordHash, ntResponse } from "../link/mschapv2.ts";
import type { Answer, Asked } from "./authenticator.ts";
import { type Aaa, checkAaa, openAaa } from "./mod.ts";
import { aaaOptions } from "./options.ts";
import { hashPassword } from "./secrets.ts";
import { makeTurns } from "./turns.ts";
import { parseUsers } from "./users.ts";

const text = (value: string) => new TextEncoder().encode(value);
const signal = new AbortController().signal;
const call = { id: "1", name: "t/1", portType: 5 };

/** What authenticates by a file of users, in a world. */
async function open(
  users: string,
  authenticate: string[] = ["local"],
): Promise<{ world: World; aaa: Aaa }> {
  const world = makeWorld();
  world.files.set("users.yaml", users);
  const opened = Promise.withResolvers<Aaa>();
  const plugin: Plugin = {
    name: "own",
    summary: "",
    pseudowireTypes: [],
    section: { key: "own", schema: z.object({}) },
    async start(scope: Scope) {
      try {
        const aaa = aaaOptions.parse({ authenticate, users: "users.yaml" });
        opened.resolve(await openAaa(scope, { aaa }));
      } catch (error) {
        opened.reject(error);
      }
      return {};
    },
  };
  await makeHost(world.leaves, [plugin]).start(new Map([["own", {}]]));
  return { world, aaa: await opened.promise };
}

const pap = (name: string, password = "pass"): Asked => ({
  kind: "pap",
  name: text(name),
  password: text(password),
});

function chap(name: string, password = "pass"): Asked {
  const challenge = Uint8Array.of(1, 2, 3);
  const digest = createHash("md5").update(Uint8Array.of(7)).update(password).update(challenge)
    .digest();
  return { kind: "chap-md5", name: text(name), id: 7, challenge, response: new Uint8Array(digest) };
}

function mschapv2(name: string, password = "pass"): Asked {
  const [challenge, peerChallenge] = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2)];
  const response = ntResponse(challenge, peerChallenge, text(name), ntPasswordHash(password));
  const value = emitResponse({ peerChallenge, ntResponse: response });
  return { kind: "mschapv2", name: text(name), id: 7, challenge, response: value };
}

const scrypt = await hashPassword(text("pass"), Uint8Array.from({ length: 16 }, (_, i) => i), 10);
const users = `
clear: { password: pass }
nt: { nt-hash: ${ntPasswordHash("pass").toHex()} }
hashed: { scrypt: "${scrypt}" }
gone: { password: pass, disabled: true }
`;

/** `accept`, or the reason why not. */
const verdict = (answer: Answer) => answer.kind === "accept" ? "accept" : answer.reason;

Deno.test("each secret serves the protocols that it can", async () => {
  const { aaa } = await open(users);
  const check = async (asked: Asked) => verdict(await aaa.check(asked, call, signal));
  for (const ask of [pap, chap, mschapv2]) {
    assert.equal(await check(ask("clear")), "accept");
    assert.equal(await check(ask("clear", "wrong")), "wrong password");
  }
  assert.equal(await check(pap("nt")), "accept");
  assert.equal(await check(mschapv2("nt")), "accept");
  assert.equal(await check(mschapv2("nt", "wrong")), "wrong password");
  assert.equal(await check(chap("nt")), "CHAP-MD5 needs a password in clear");
  assert.equal(await check(pap("hashed")), "accept");
  assert.equal(await check(pap("hashed", "wrong")), "wrong password");
  assert.equal(await check(chap("hashed")), "CHAP-MD5 needs a password in clear");
  assert.match(await check(mschapv2("hashed")), /needs a password in clear, or its NT hash/);
  assert.equal(await check(pap("gone")), "the user is disabled");
  assert.equal(await check(pap("nobody")), "no such user");
});

Deno.test("a hash of scrypt is what RFC 7914 says", async () => {
  // RFC 7914 §12 has N = 1024 as cost 10 with r = 8 and p = 16; of p = 1 the value is hashlib's.
  const hash = await hashPassword(text("password"), text("NaClNaCl"), 10);
  assert.equal(hash, `scrypt:10:${text("NaClNaCl").toHex()}:${HASHLIB}`);
});
const HASHLIB = "f301a5c1798d5d2da7d4a0dac6685068f1dca23c4b8488b112bdd835ca82fbce";

Deno.test("a user gets what its entry says", async () => {
  const { aaa } = await open(`
alice:
  password: pass
  address: 10.0.0.7
  profile: gold
  pools: [a, b]
  routes: [10.7.0.0/16]
  ipv6-prefixes: ["2001:db8:1::/64"]
  delegated-prefixes: ["2001:db8:100::/56"]
  dns: [10.0.0.53]
  rate-up: 1000000
  rate-down: { bits-per-second: 2000000, burst-octets: 9000 }
  session-timeout-s: 60
  quota-total: 1000
  filters: [walled]
  port-limit: 1
`);
  const answer = await aaa.check(pap("alice"), call, signal);
  assert.deepEqual(answer, {
    kind: "accept",
    grant: {
      user: "alice",
      address: "10.0.0.7",
      profile: "gold",
      pools: ["a", "b"],
      routes: [{ prefix: "10.7.0.0/16" }],
      ipv6Prefixes: ["2001:db8:1::/64"],
      delegatedPrefixes: ["2001:db8:100::/56"],
      dns: ["10.0.0.53"],
      rate: { up: { bitsPerSecond: 1e6 }, down: { bitsPerSecond: 2e6, burstOctets: 9000 } },
      sessionTimeoutS: 60,
      quota: { total: 1000 },
      filters: ["walled"],
      portLimit: 1,
    },
  });
});

Deno.test("a changed file counts from the next login on; a mistake in it leaves what was", async () => {
  const { aaa, world } = await open("a: { password: one }\n");
  const check = async (name: string, password: string) =>
    verdict(await aaa.check(pap(name, password), call, signal));
  assert.equal(await check("a", "one"), "accept");
  world.files.set("users.yaml", "a: { password: two }\n");
  await world.advance(1000);
  assert.equal(await check("a", "two"), "accept");
  for (const wrong of ["a: { password: two", "a: { pass: x }\n"]) {
    world.files.set("users.yaml", wrong);
    await world.advance(1000);
    assert.equal(await check("a", "two"), "accept");
  }
  world.files.delete("users.yaml");
  await world.advance(1000);
  assert.equal(await check("a", "two"), "accept");
  const errors = world.lines.filter(({ level }) => level === "error");
  assert.equal(errors.length, 3);
  assert.ok(!JSON.stringify(errors).includes("two"), "no secret is logged");
});

Deno.test("what is wrong with a file is told with its place, and no secret", () => {
  const faults: [string, RegExp][] = [
    ["a: {}", /^a: needs one of password, scrypt and nt-hash/],
    ["a: { password: x, nt-hash: 00 }", /^a/],
    ["a: { scrypt: hunter2 }", /^a.scrypt: must be scrypt:COST:SALT:HASH$/],
    ["a: { password: x, address: nowhere }", /^a.address/],
    ["- a", /record/],
    ["a: [", /line 1/],
  ];
  for (const [file, message] of faults) {
    assert.throws(() => parseUsers(file), (error: Error) => {
      assert.match(error.message, message);
      return !error.message.includes("hunter2");
    });
  }
  assert.equal(parseUsers("").size, 0);
});

Deno.test("who is asked next knows what the first does not", async () => {
  const { aaa } = await open("a: { password: pass }\n", ["local", "none"]);
  assert.equal(verdict(await aaa.check(pap("a"), call, signal)), "accept");
  assert.equal(verdict(await aaa.check(pap("a", "wrong"), call, signal)), "wrong password");
  assert.equal(verdict(await aaa.check(pap("b", "any"), call, signal)), "accept");
  assert.match(verdict(await aaa.check(mschapv2("b"), call, signal)), /none is known/);
});

Deno.test("what does not fit together is told", () => {
  const aaa = aaaOptions.parse({ authenticate: ["radius", "local"] });
  assert.equal(checkAaa({ aaa }).length, 2);
  assert.equal(checkAaa({ aaa: aaaOptions.parse({ authenticate: ["none"] }) }).length, 0);
});

Deno.test("slow work is done so much at once, waits in order, is bounded, and gives way when nobody wants it", async () => {
  const turns = makeTurns(2, 5);
  const [begun, ends]: [number[], (() => void)[]] = [[], []];
  const work = (i: number) => () => {
    begun.push(i);
    return new Promise<number>((resolve) => ends.push(() => resolve(i)));
  };
  const gone = new AbortController();
  const all = Array.from({ length: 8 }, (_, i) => turns(work(i), i === 3 ? gone.signal : signal));
  gone.abort();
  for (let i = 0; i < 6; i++) {
    await new Promise((resolve) => setTimeout(resolve));
    ends[i]!();
  }
  assert.deepEqual(begun, [0, 1, 2, 4, 5, 6]);
  assert.deepEqual(await Promise.all(all), [0, 1, 2, undefined, 4, 5, 6, undefined]);
});
