/** RADIUS as plugins have it, against FreeRADIUS: what is asked, what its replies mean, what it is told, what it changes. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type {
  Answer,
  Asked,
  CallFacts,
  Subscriber,
  Terms,
  Usage,
} from "../../plugins/ppp/aaa/mod.ts";
import { radiusOptions } from "../../plugins/ppp/aaa/options.ts";
import { openRadius, type Radius } from "../../plugins/ppp/aaa/radius/mod.ts";
import {
  authenticatorResponse,
  emitResponse,
  ntPasswordHash,
  ntResponse,
} from "../../plugins/ppp/link/mschapv2.ts";
import { type FreeRadius, SECRET, startFreeradius } from "./support/freeradius.ts";
import { freePort, makeRadiusScope, type RadiusScope } from "./support/radius_scope.ts";
import { run, until } from "./support/process.ts";
import { suite } from "./support/suite.ts";

/** What the user `everything` gets. */
const reply = `
Framed-IP-Address := 10.64.0.7
Framed-IP-Netmask := 255.255.255.248
Framed-Route += "10.7.0.0/16 0.0.0.0 5"
Framed-IPv6-Route += "2001:db8:7::/48 :: 1"
Framed-Pool := "gold"
Framed-IPv6-Prefix += 2001:db8:1::/64
Framed-IPv6-Pool := "six"
Framed-Interface-Id := 0:0:0:7
Framed-IPv6-Address += 2001:db8::7
Stateful-IPv6-Address-Pool := "na"
Delegated-IPv6-Prefix += 2001:db8:100::/56
Delegated-IPv6-Prefix-Pool := "pd"
DNS-Server-IPv6-Address += 2001:db8::53
Route-IPv6-Information += 2001:db8:8::/48
MS-Primary-DNS-Server := 10.0.0.53
Framed-MTU := 1492
Session-Timeout := 3600
Idle-Timeout := 600
Acct-Interim-Interval := 300
Port-Limit := 2
Filter-Id += "walled"
Class += 0x0102
Class += 0x0304
Reply-Message += "hello"
Mikrotik-Rate-Limit := "2M/10M"
WISPr-Session-Terminate-Time := "soon"
Tunnel-Type:1 := L2TP
Tunnel-Medium-Type:1 := IPv4
Tunnel-Server-Endpoint:1 := "10.0.0.1"
Tunnel-Password:1 := "first secret"
Tunnel-Preference:1 := 20
Tunnel-Type:2 := L2TP
Tunnel-Medium-Type:2 := IPv4
Tunnel-Server-Endpoint:2 := "10.0.0.2"
Tunnel-Password:2 := "second"
Tunnel-Assignment-Id:2 := "shared"
Tunnel-Preference:2 := 10
Tunnel-Client-Auth-Id:2 := "lac"
Tunnel-Server-Auth-Id:2 := "lns"
`;

interface Context {
  readonly server: FreeRadius;
  readonly radius: Radius;
  readonly own: RadiusScope;
  readonly coaPort: number;
}

const tests = suite(
  import.meta.url,
  ["freeradius", "radclient"],
  async (stack): Promise<Context> => {
    const folder = await Deno.makeTempDir();
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    const [authPort, acctPort, coaPort] = [await freePort(), await freePort(), await freePort()];
    const server = stack.use(
      await startFreeradius(`${folder}/server`, { authPort, acctPort, reply }),
    );
    const own = stack.use(makeRadiusScope(`${folder}/accounts.sqlite`));
    const options = radiusOptions.parse({
      servers: {
        one: {
          address: "127.0.0.1",
          "auth-port": authPort,
          "acct-port": acctPort,
          secret: SECRET,
          "timeout-ms": 10_000,
          "dead-time-s": 1,
          "status-server-s": 1,
        },
      },
      "nas-identifier": "isthmus-test",
      "nas-ip-address": "127.0.0.1",
      coa: {
        local: "127.0.0.1",
        port: coaPort,
        clients: [{ address: "127.0.0.1", secret: SECRET }],
      },
    });
    const radius = await openRadius(own.scope, options, true);
    return { server, radius, own, coaPort };
  },
);

/** Sockets of the setup's go on from test to test. */
function test(name: string, body: (context: Context) => Promise<void>): void {
  tests.test(name, body, false);
}

const text = (value: string) => new TextEncoder().encode(value);
const signal = new AbortController().signal;
const call: CallFacts = {
  id: "call-1",
  name: "lac/1",
  portType: 5,
  callingNumber: "5551234",
  calledNumber: "900",
  txSpeed: 10_000_000n,
  rxSpeed: 2_000_000n,
  line: [{ type: 1, value: text("eth 1/2:7") }, { type: 129, value: Uint8Array.of(0, 0, 4, 0) }],
  tunnel: {
    clientEndpoint: "10.0.0.9",
    clientAuthId: "lac",
    assignmentId: "lac",
    connection: "77",
  },
};

function pap(name: string, password = "pass"): Asked {
  return { kind: "pap", name: text(name), password: text(password) };
}

function chap(name: string, password = "pass", length = 16): Asked {
  const challenge = Uint8Array.from({ length }, (_, i) => i * 7);
  const response = createHash("md5").update(Uint8Array.of(9)).update(password).update(challenge)
    .digest();
  return { kind: "chap-md5", name: text(name), id: 9, challenge, response };
}

const challenge = Uint8Array.from({ length: 16 }, (_, i) => 200 - i);
const peerChallenge = Uint8Array.from({ length: 16 }, (_, i) => i * 3);

function mschapv2(name: string, password = "pass"): Asked {
  const response = ntResponse(challenge, peerChallenge, text(name), ntPasswordHash(password));
  const value = emitResponse({ peerChallenge, ntResponse: response });
  return { kind: "mschapv2", name: text(name), id: 3, challenge, response: value };
}

function granted(answer: Answer) {
  assert.equal(answer.kind, "accept", JSON.stringify(answer));
  return (answer as Extract<Answer, { kind: "accept" }>).grant;
}

test("PAP, CHAP and MS-CHAPv2 are accepted, and rejected, as the server says", async ({ radius }) => {
  const long = "a password that is far longer than sixteen octets are";
  for (
    const asked of [
      pap("bob"),
      chap("bob"),
      chap("bob", "pass", 5),
      chap("bob", "pass", 200),
      mschapv2("bob"),
    ]
  ) {
    assert.equal(granted(await radius.check(asked, call, signal)).user, "bob");
  }
  for (
    const asked of [
      pap("bob", "wrong"),
      pap("bob", long),
      chap("bob", "wrong"),
      mschapv2("bob", "wrong"),
    ]
  ) {
    assert.equal((await radius.check(asked, call, signal)).kind, "reject");
  }
  const refused = await radius.check(pap("reject"), call, signal);
  assert.deepEqual(refused, { kind: "reject", reason: "one rejected it", message: "not today" });
});

test("MS-CHAPv2's success and failure are handed on verbatim, and a domain is no part of the proof", async ({ radius }) => {
  for (const name of ["bob", "DOMAIN\\bob"]) {
    const { msChapSuccess } = granted(await radius.check(mschapv2(name), call, signal));
    const response = ntResponse(challenge, peerChallenge, text(name), ntPasswordHash("pass"));
    const right = authenticatorResponse(
      challenge,
      { peerChallenge, ntResponse: response },
      text(name),
      ntPasswordHash("pass"),
    );
    assert.ok(msChapSuccess?.startsWith(right), msChapSuccess);
  }
  const refused = await radius.check(mschapv2("bob", "wrong"), call, signal);
  assert.ok(refused.kind === "reject");
  assert.match(refused.msChapError ?? "", /^E=691 R=\d C=[\dA-Fa-f]{32} V=3/);
});

test("all of a reply is understood", async ({ radius, own }) => {
  const grant = granted(await radius.check(pap("everything"), call, signal));
  const { class: classes, interfaceId, tunnels, ...rest } = grant;
  assert.deepEqual(rest, {
    user: "everything",
    address: "10.64.0.7",
    routes: [
      { prefix: "10.7.0.0/16", metric: 5 },
      { prefix: "2001:db8:7::/48", metric: 1 },
      { prefix: "2001:db8:8::/48" },
      { prefix: "10.64.0.0/29" },
    ],
    pools: ["gold"],
    ipv6Prefixes: ["2001:db8:1::/64"],
    ipv6Pool: "six",
    ipv6Addresses: ["2001:db8::7"],
    ipv6AddressPool: "na",
    delegatedPrefixes: ["2001:db8:100::/56"],
    delegatedPool: "pd",
    dns: ["2001:db8::53", "10.0.0.53"],
    mtu: 1492,
    sessionTimeoutS: 3600,
    idleTimeoutS: 600,
    interimIntervalS: 300,
    portLimit: 2,
    filters: ["walled"],
    message: "hello",
    rate: { up: { bitsPerSecond: 2_000_000 }, down: { bitsPerSecond: 10_000_000 } },
  });
  assert.deepEqual(classes?.map((one) => one.toHex()), ["0102", "0304"]);
  assert.equal(interfaceId?.toHex(), "0000000000000007");
  assert.deepEqual(tunnels, [
    {
      tag: 2,
      type: 3,
      server: "10.0.0.2",
      password: text("second"),
      assignmentId: "shared",
      preference: 10,
      clientAuthId: "lac",
      serverAuthId: "lns",
    },
    { tag: 1, type: 3, server: "10.0.0.1", password: text("first secret"), preference: 20 },
  ]);
  assert.equal(own.counts.get("radius_malformed"), undefined);
});

test("replies without Message-Authenticator count until one came with it", async ({ server }) => {
  const own = makeRadiusScope();
  await using _own = own;
  const radius = await openRadius(
    own.scope,
    radiusOptions.parse({
      servers: {
        one: {
          address: "127.0.0.1",
          "auth-port": server.authPort,
          secret: SECRET,
          "timeout-ms": 3000,
          tries: 1,
        },
      },
    }),
    false,
  );
  granted(await radius.check(pap("bob"), call, signal));
  granted(await radius.check(pap("signed"), call, signal));
  granted(await radius.check(pap("signed"), call, signal));
  const refused = await radius.check(pap("bob"), call, signal);
  assert.equal(refused.kind, "unreachable");
  assert.ok(own.counts.get("radius_unsigned")! >= 1);
});

/** A session in a test's hands. */
function subscriber(
  id: string,
  usage: () => Usage,
): Subscriber & { terms: Terms[]; ended: string[] } {
  const [terms, ended]: [Terms[], string[]] = [[], []];
  return {
    call: { ...call, id },
    grant: { user: "bob", class: [Uint8Array.of(1, 2)] },
    authentic: "radius",
    framed: () => ({
      address: "10.64.0.7",
      ipv6Prefixes: ["2001:db8:1::/64"],
      delegatedPrefixes: ["2001:db8:100::/56"],
    }),
    read: () => Promise.resolve(usage()),
    change: (changed) => Promise.resolve(void terms.push(changed)),
    end: (cause) => void ended.push(cause),
    terms,
    ended,
  };
}

test("the server is told what a session was and carried, octet by octet", async ({ radius, server }) => {
  let upOctets = 0;
  const usage = () => ({ upOctets, downOctets: 3 * upOctets, upPackets: 7, downPackets: 9 });
  const account = radius.account(subscriber("acct-1", usage));
  upOctets = 5_000_000_001;
  const own = async () =>
    (await server.records()).filter((record) => record["Acct-Session-Id"] === "acct-1");
  await until("the Start is told", async () => (await own()).length === 1);
  account.changed();
  await until("an Interim is told", async () => (await own()).length === 2);
  account.stop("idle-timeout", { ...usage(), upOctets: 6_000_000_000 });
  await until("the Stop is told", async () => (await own()).length === 3);
  const [begun, interim, stopped] = await own();
  assert.deepEqual(
    [begun, interim, stopped].map((record) => record?.["Acct-Status-Type"]),
    ["Start", "Interim-Update", "Stop"],
  );
  const all = {
    "User-Name": "bob",
    "NAS-Identifier": "isthmus-test",
    "NAS-IP-Address": "127.0.0.1",
    "NAS-Port-Type": "Virtual",
    "NAS-Port-Id": "lac/1",
    "Service-Type": "Framed-User",
    "Framed-Protocol": "PPP",
    "Calling-Station-Id": "5551234",
    "Called-Station-Id": "900",
    "Connect-Info": "10000000/2000000",
    "Tunnel-Type:0": "L2TP",
    "Tunnel-Medium-Type:0": "IPv4",
    "Tunnel-Client-Endpoint:0": "10.0.0.9",
    "Tunnel-Client-Auth-Id:0": "lac",
    "Tunnel-Assignment-Id:0": "lac",
    "Acct-Tunnel-Connection": "77",
    "Actual-Data-Rate-Upstream": "1024",
    "Acct-Authentic": "RADIUS",
    Class: "0x0102",
    "Framed-IP-Address": "10.64.0.7",
    "Framed-IPv6-Prefix": "2001:db8:1::/64",
    "Delegated-IPv6-Prefix": "2001:db8:100::/56",
    "Acct-Delay-Time": "0",
  };
  for (const record of [begun, interim, stopped]) {
    for (const [name, value] of Object.entries(all)) assert.equal(record![name], value, name);
    assert.ok(record!["Event-Timestamp"]);
  }
  const wide = (record: Readonly<Record<string, string>>, direction: string) =>
    Number(record[`Acct-${direction}-Gigawords`]) * 2 ** 32 +
    Number(record[`Acct-${direction}-Octets`]);
  assert.deepEqual([wide(interim!, "Input"), wide(interim!, "Output")], [
    5_000_000_001,
    15_000_000_003,
  ]);
  assert.deepEqual([wide(stopped!, "Input"), wide(stopped!, "Output")], [
    6_000_000_000,
    15_000_000_003,
  ]);
  assert.equal(stopped!["Acct-Terminate-Cause"], "Idle-Timeout");
  assert.equal((await server.records())[0]!["Acct-Status-Type"], "Accounting-On");
});

/** Has radclient ask for something; what it printed. */
async function radclient(port: number, kind: string, attributes: string): Promise<string> {
  const argv = ["radclient", "-x", "-r", "1", "-t", "20", `127.0.0.1:${port}`, kind, SECRET];
  const { stdout, stderr } = await run(argv, { stdin: attributes });
  return stdout + stderr;
}

test("radclient changes a rate, is told what cannot be done, and ends a session", async ({ coaPort, radius }) => {
  const nothing = { upOctets: 0, downOctets: 0, upPackets: 0, downPackets: 0 };
  const one = subscriber("coa-1", () => nothing);
  const other = subscriber("coa-2", () => nothing);
  const accounts = [radius.account(one), radius.account(other)];
  const ask = (kind: string, attributes: string) => radclient(coaPort, kind, attributes);
  const rate = 'Mikrotik-Rate-Limit="1M/3M"';
  assert.match(await ask("coa", `Acct-Session-Id="coa-1",${rate}`), /CoA-ACK/);
  assert.deepEqual(one.terms, [{
    rate: { up: { bitsPerSecond: 1_000_000 }, down: { bitsPerSecond: 3_000_000 } },
  }]);
  assert.match(
    await ask("coa", `Acct-Session-Id="coa-1",Session-Timeout=5,Message-Authenticator=0x00`),
    /CoA-ACK/,
  );
  assert.deepEqual(one.terms[1], { sessionTimeoutS: 5 });
  assert.match(
    await ask("coa", `Acct-Session-Id="none",${rate}`),
    /CoA-NAK[\s\S]*Session-Context-Not-Found/,
  );
  assert.match(
    await ask("coa", `Acct-Session-Id="coa-1",NAS-Identifier="other",${rate}`),
    /NAS-Identification-Mismatch/,
  );
  assert.match(
    await ask("disconnect", `Acct-Session-Id="coa-1",User-Name="bob"`),
    /Disconnect-ACK/,
  );
  assert.deepEqual([one.ended, other.ended, other.terms], [["admin-reset"], [], []]);
  for (const account of accounts) account.stop("admin-reset", nothing);
  assert.match(await ask("disconnect", `Acct-Session-Id="coa-2"`), /Session-Context-Not-Found/);
});
