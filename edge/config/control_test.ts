import assert from "node:assert/strict";
import { describeConfig } from "./describe.ts";
import { routerIdOf } from "./router_id.ts";
import { errors, goodText, parse } from "./testing.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** A file with one peer; `body` begins on its third line. */
function peer(body: string): string {
  return `peers:\n  p:\n${body.split("\n").map((line) => `    ${line}`).join("\n")}\n`;
}

/** A file with a v3 peer, a v2 peer and one tunnel; each line of `extra` belongs to it, from the seventh on. */
function tunnel(extra: string): string {
  const lines = extra.split("\n").map((line) => `    ${line}`).join("\n");
  return `peers:\n  hq: {}\n  old: { proto-version: 2 }\ntunnels:\n  t:\n    # first line\n${lines}\n`;
}

/** A file with one call of a tunnel, on its tenth line. */
function call(body: string, peer = "hq"): string {
  return tunnel(`peer: ${peer}\nremote: 10.0.0.2\nsessions:\n  s: { ${body} }`);
}

const denied = { denyMs: 60_000, denyResults: ["4", "2/4", "2/7"] };

Deno.test("parseConfig() reads peers and tunnels with a control connection", () => {
  const { hostName, routerId, peers, managed } = parse(goodText);
  assert.equal(hostName, "edge1.example");
  assert.equal(routerId, 0x0a4d0001);
  const call = {
    name: "office*",
    remoteEndId: "",
    pseudowireType: 5,
    l2spec: "default",
    cookieSize: 4,
    sendSeq: false,
    recvSeq: false,
    reorderTimeoutMs: 0,
    restartAfterMs: 1000,
    restartRun: 32,
    circuit: { plugin: "tap", options: { name: "office1" } },
  };
  assert.deepEqual(peers, [
    {
      name: "hq",
      addresses: ["10.77.0.2", "10.77.0.0/16"],
      hostName: "hq-*",
      settings: {
        version: 3,
        secret: bytes("battery-staple"),
        otherSecret: bytes("old-staple"),
        digest: 1,
        fallback: false,
        hideAvps: true,
        tieBreaker: true,
        framing: 3,
        bearer: 0,
        receiveWindow: 128,
        helloMs: 2500,
        retransmitMs: 1000,
        retransmitCapMs: 8000,
        attempts: 10,
        establishMs: 30_000,
        callMs: 60_000,
        callLimit: 1000,
      },
      tunnelLimit: 100,
      accept: [
        call,
        {
          name: "*",
          remoteEndId: "",
          pseudowireType: 7,
          l2spec: "default",
          cookieSize: 8,
          sendSeq: false,
          recvSeq: false,
          reorderTimeoutMs: 0,
          restartAfterMs: 1000,
          restartRun: 32,
        },
      ],
    },
    {
      name: "lac",
      addresses: [],
      settings: {
        version: 2,
        digest: 0,
        fallback: false,
        hideAvps: false,
        tieBreaker: false,
        framing: 3,
        bearer: 0,
        receiveWindow: 128,
        helloMs: 60_000,
        retransmitMs: 1000,
        retransmitCapMs: 8000,
        attempts: 5,
        establishMs: 30_000,
        callMs: 60_000,
        callLimit: 1000,
      },
      tunnelLimit: 100,
      accept: [],
    },
  ]);
  assert.deepEqual(managed, [
    {
      name: "to-hq",
      peer: "hq",
      mode: "on-demand",
      encap: "udp",
      local: { address: "10.77.0.1", port: 0 },
      freshPort: false,
      remotes: [
        { endpoint: { address: "10.77.0.2", port: 1701 }, preference: 1, weight: 2, ...denied },
        { endpoint: { address: "10.77.9.9", port: 1702 }, preference: 5, weight: 1, ...denied },
      ],
      calls: [{
        ...call,
        name: "shop",
        remoteEndId: "shop-7",
        cookieSize: 8,
        sendSeq: true,
        circuit: { plugin: "tap", options: { name: "shop0" } },
      }],
    },
    {
      name: "dialed",
      peer: "lac",
      mode: "passive",
      encap: "udp",
      local: { address: "0.0.0.0", port: 1701 },
      freshPort: true,
      remotes: [],
      calls: [],
    },
  ]);
});

Deno.test("parseConfig() reads the way that a dialed tunnel takes, and refuses one of a passive tunnel", () => {
  const way = "df: true\nmark: 7\ndevice: blue";
  const { df, device, mark } = parse(tunnel(`peer: hq\nremote: 10.0.0.2\n${way}`)).managed[0]!;
  assert.deepEqual([df, mark, device], [true, 7, "blue"]);
  const problems = errors(tunnel("peer: hq\nmode: passive\nmark: 7"));
  assert.equal(problems.length, 1);
  assert.match(problems[0]!, /mark: .*passive/);
});

Deno.test("parseConfig() takes defaults from the version, the encapsulation and the remote's family", () => {
  const one = (extra: string) => parse(tunnel(extra)).managed[0]!;
  assert.deepEqual(one("peer: hq\nencap: ip\nremote: fd77::2").local, { address: "::", port: 0 });
  assert.deepEqual(one("peer: hq\nremote: '[fd77::2]:5000'").local, {
    address: "::",
    port: 1701,
  });
  assert.equal(one("peer: hq\nremote: 10.0.0.2").mode, "persistent");
  const fresh = (extra: string) => one(`peer: hq\nremote: 10.0.0.2\n${extra}`).freshPort;
  assert.deepEqual(["", "local: 10.0.0.9", "local: 10.0.0.9:1701", "encap: ip"].map(fresh), [
    true,
    true,
    false,
    false,
  ]);
  const [placed] = parse(call("", "old")).managed[0]!.calls;
  assert.deepEqual(placed, {
    name: "s",
    remoteEndId: "s",
    pseudowireType: 7,
    l2spec: "none",
    cookieSize: 0,
    sendSeq: false,
    recvSeq: false,
    reorderTimeoutMs: 0,
    restartAfterMs: 1000,
    restartRun: 32,
  });
});

Deno.test("parseConfig() takes who we are from the machine where the file does not say", () => {
  assert.deepEqual(
    [parse("").hostName, parse("").routerId],
    ["edge1", routerIdOf("edge1")],
  );
  assert.equal(parse("host-name: edge2").routerId, routerIdOf("edge2"));
  assert.notEqual(routerIdOf("edge1"), routerIdOf("edge2"));
  assert.equal(parse("router-id: 4294967295").routerId, 0xffff_ffff);
  assert.equal(describeConfig(parse("router-id: 1"))["router-id"], "0.0.0.1");
});

const capError = "expected a number of seconds from 8 to 600 (RFC 2661 §5.8)";
const helloError = "expected a number of seconds from 1 to 86400, or 0: never";
const routerIdError =
  "expected an IPv4 address such as 10.77.0.1, or a number from 1 to 4294967295";
const networkError =
  "expected an address such as 10.0.0.2, or a network such as 10.0.0.0/8 or fd77::/16 without bits set beyond its prefix";

Deno.test("parseConfig() says what is wrong with peers, with tunnels to them, and with calls", () => {
  const cases: [string, string[]][] = [
    // Who we are.
    ["host-name: a b\nrouter-id: 0.0.0.0", [
      '1:12: host-name: got "a b"; expected 1 to 255 printable ASCII characters without spaces',
      `2:12: router-id: got "0.0.0.0"; ${routerIdError}`,
    ]],
    ["host-name: 7\nrouter-id: 4294967296", [
      "1:12: host-name: got 7; expected 1 to 255 printable ASCII characters without spaces",
      `2:12: router-id: got 4294967296; ${routerIdError}`,
    ]],
    // Peers.
    ["peers: [hq]", ["1:8: peers: got a list; expected a map of names"]],
    ["peers: { hq: ours }", [
      '1:14: peers.hq: got "ours"; expected the keys proto-version, address, secret, accept',
    ]],
    ["peers: { 7: {} }", [
      '1:10: peers.7: got "7"; expected a letter or digit, then at most 62 letters, digits, dots, dashes or underscores; not digits alone, for those are ids',
    ]],
    [peer("adress: 10.0.0.1\nproto-version: 4"), [
      '3:5: peers.p.adress: unknown key; did you mean "address"?',
      "4:20: peers.p.proto-version: got 4; expected 2 (RFC 2661) or 3 (RFC 3931)",
    ]],
    [peer("address: 10.0.0.1/8"), [`3:14: peers.p.address: got "10.0.0.1/8"; ${networkError}`]],
    [peer("address: [10.0.0.0/8, hq.example, 5]"), [
      `3:27: peers.p.address[1]: got "hq.example"; ${networkError}`,
      "3:39: peers.p.address[2]: got 5; expected an address or network such as 10.0.0.2 or 10.0.0.0/8",
    ]],
    [peer("address: []"), [
      "3:14: peers.p.address: got a list; expected at least one address; leave it out for any",
    ]],
    [peer("host-name: ''"), [
      `3:16: peers.p.host-name: got ""; expected a quoted glob of 1 to 255 characters, such as 'hq-*'`,
    ]],
    // Secrets.
    [peer("secret: 12345\nother-secret: ''"), [
      "3:13: peers.p.secret: got <hidden>, a number; expected a quoted string",
      "4:19: peers.p.other-secret: got <hidden>; expected at least one character",
    ]],
    [peer("secret: abc\nsecret-file: x\nother-secret: def\nother-secret-file: y"), [
      "4:18: peers.p.secret-file: given together with secret; expected one of them",
      "6:24: peers.p.other-secret-file: given together with other-secret; expected one of them",
    ]],
    [peer("secret-file: x"), [
      "3:18: peers.p.secret-file: files cannot be read here; expected secret",
    ]],
    [peer("other-secret: abc\nhide-avps: true\ndigest: md5"), [
      "3:19: peers.p.other-secret: needs a secret; expected secret or secret-file too",
      "4:16: peers.p.hide-avps: needs a secret; expected secret or secret-file too",
      "5:13: peers.p.digest: needs a secret; expected secret or secret-file too",
    ]],
    [peer("proto-version: 2\nsecret: abc\nother-secret: def\ndigest: sha1"), [
      "5:19: peers.p.other-secret: L2TPv2 proves one secret only; leave it out",
      "6:13: peers.p.digest: L2TPv2 has no message digests; leave it out",
    ]],
    [peer("proto-version: 2\nhide-avps: true"), [
      "4:16: peers.p.hide-avps: needs a secret; expected secret or secret-file too",
    ]],
    [peer("secret: abc\ndigest: sha256"), [
      '4:13: peers.p.digest: got "sha256"; expected md5 or sha1',
    ]],
    // Times and counts.
    [peer("hello: 0.5\nreceive-window: 0\nretransmit: 0\nretransmit-cap: 7.9"), [
      `3:12: peers.p.hello: got 0.5; ${helloError}`,
      "4:21: peers.p.receive-window: got 0; expected a whole number from 1 to 1024",
      "5:17: peers.p.retransmit: got 0; expected a number of seconds from 0.1 to 60",
      `6:21: peers.p.retransmit-cap: got 7.9; ${capError}`,
    ]],
    [peer("hello: 1 minute\nreceive-window: 1.5\nattempts: 0\nestablish-timeout: 0"), [
      `3:12: peers.p.hello: got "1 minute"; ${helloError}`,
      "4:21: peers.p.receive-window: got 1.5; expected a whole number from 1 to 1024",
      "5:15: peers.p.attempts: got 0; expected a whole number from 1 to 100",
      "6:24: peers.p.establish-timeout: got 0; expected a number of seconds from 1 to 3600",
    ]],
    [peer("call-timeout: 9e9\nsession-limit: 65536\ntunnel-limit: -1\ntie-breaker: yes"), [
      "3:19: peers.p.call-timeout: got 9000000000; expected a number of seconds from 1 to 3600",
      "4:20: peers.p.session-limit: got 65536; expected a whole number from 1 to 65535",
      "5:19: peers.p.tunnel-limit: got -1; expected a whole number from 1 to 65535",
      '6:18: peers.p.tie-breaker: got "yes"; expected true or false',
    ]],
    [peer("retransmit: 9.5"), [
      "3:17: peers.p.retransmit: more than retransmit-cap, which is 8; expected a larger one too",
    ]],
    [peer("retransmit: 12\nretransmit-cap: 10"), [
      "4:21: peers.p.retransmit-cap: less than retransmit, which is 12; expected no less",
    ]],
    // Calls that a peer may place.
    [peer("accept: { name: x }"), [
      '3:13: peers.p.accept: got a map; expected a list such as [{ name: "office*" }]',
    ]],
    [peer("accept: [office]"), [
      '3:14: peers.p.accept[0]: got "office"; expected the keys name, pw-type, circuit',
    ]],
    [peer("accept: [{ name: 5550, remote-end-id: x, cookie-size: 6 }]"), [
      "3:22: peers.p.accept[0].name: got 5550; expected a quoted glob of 1 to 255 characters, such as 'hq-*'",
      "3:28: peers.p.accept[0].remote-end-id: unknown key; expected one of name, cookie-size, pw-type, l2spec-type, reorder-timeout, restart-after, restart-run, rate-limit, source-check, mss-clamp, address-control, vlan-id, mtu, seq, circuit",
      "3:59: peers.p.accept[0].cookie-size: got 6; expected 0, 4 or 8",
    ]],
    [peer("accept:\n- { name: a }\n- { name: a, pw-type: ppp }\n- { name: a, seq: both }"), [
      "6:7: peers.p.accept[2]: never used, for accept[0] has the same name and pw-type; expected others",
    ]],
    [peer("accept: [{ l2spec-type: none, seq: both }, { name: x, circuit: { tpa: } }]"), [
      "3:40: peers.p.accept[0].seq: sequence numbers need l2spec-type default (RFC 3931 §4.6)",
      '3:70: peers.p.accept[1].circuit.tpa: no such plugin; did you mean "tap"?',
    ]],
    [
      peer(
        "proto-version: 2\naccept:\n- { pw-type: ethernet }\n- { name: a, cookie-size: 4, l2spec-type: default }\n- { name: b, circuit: { tap: { name: x } } }",
      ),
      [
        "5:18: peers.p.accept[0].pw-type: L2TPv2 carries only ppp, not ethernet; use proto-version 3 for it",
        "6:31: peers.p.accept[1].cookie-size: L2TPv2 has no cookies; leave it out",
        "6:47: peers.p.accept[1].l2spec-type: L2TPv2 has no L2-Specific Sublayer; leave it out",
        "7:27: peers.p.accept[2].circuit: tap carries ethernet, not ppp; expected another circuit or pw-type",
      ],
    ],
    // Which kind of tunnel.
    [tunnel("peer: hq\nstatic: { tunnel-id: 1, peer-tunnel-id: 1 }\nremote: 10.0.0.2"), [
      "7:11: tunnels.t.peer: given together with static; expected one of them",
    ]],
    [tunnel("per: hq\nremote: 10.0.0.2"), [
      '7:5: tunnels.t.per: unknown key; did you mean "peer"?',
      "7:5: tunnels.t: neither static nor peer; expected one of them",
    ]],
    ["tunnels: { t: 5 }", [
      "1:15: tunnels.t: got 5; expected the keys static or peer, encap, local, remote, sessions",
    ]],
    // The peer.
    [tunnel("peer: hw\nremote: 10.0.0.2"), [
      '7:11: tunnels.t.peer: no such peer; did you mean "hq"?',
    ]],
    [tunnel("peer: branch\nremote: 10.0.0.2"), [
      "7:11: tunnels.t.peer: no such peer; expected one of hq, old",
    ]],
    ["tunnels: { t: { peer: hq, remote: 10.0.0.2 } }", [
      "1:23: tunnels.t.peer: no such peer; expected it under peers",
    ]],
    [tunnel("peer: [hq]\nremote: 10.0.0.2\nproto-version: 2"), [
      "7:11: tunnels.t.peer: got a list; expected the name of one of the peers",
      "9:5: tunnels.t.proto-version: unknown key; expected one of peer, mode, encap, local, remote, df, mark, device, sessions",
    ]],
    // Ways and ends.
    [tunnel("peer: hq\nmode: lazy\nremote: 10.0.0.2"), [
      '8:11: tunnels.t.mode: got "lazy"; expected persistent, on-demand or passive',
    ]],
    [tunnel("peer: hq\nmode: passive\nremote: 10.0.0.2"), [
      "9:13: tunnels.t.remote: a passive tunnel dials nobody; leave it out",
    ]],
    [tunnel("peer: hq\nmode: on-demand"), [
      "5:3: tunnels.t.remote: missing; expected whom to dial, or mode passive",
    ]],
    [tunnel("peer: hq\nremote: []"), [
      "8:13: tunnels.t.remote: an empty list; expected at least one remote",
    ]],
    [tunnel("peer: old\nencap: ip\nremote: 10.0.0.2"), [
      "8:12: tunnels.t.encap: L2TPv2 travels over udp only (RFC 2661 §8.1); use a peer of proto-version 3 for ip",
    ]],
    [tunnel("peer: hq\nencap: ip\nlocal: 10.0.0.1:1701\nremote: 10.0.0.2:1701"), [
      "9:12: tunnels.t.local: IP protocol 115 has no ports; leave it out, or use udp",
      "10:13: tunnels.t.remote: IP protocol 115 has no ports; leave it out, or use udp",
    ]],
    [tunnel("peer: hq\nlocal: fd77::1\nremote: 10.0.0.2"), [
      "8:12: tunnels.t.local: the remote address is IPv4; expected an IPv4 address here",
    ]],
    [tunnel("peer: hq\nlocal: 224.0.0.1\nremote: 0.0.0.0"), [
      "8:12: tunnels.t.local: multicast; expected an address of this machine",
      "9:13: tunnels.t.remote: expected the address of one peer",
    ]],
    [tunnel("peer: hq\nremote: fe80::1"), [
      "8:13: tunnels.t.remote: link-local; expected its zone too, such as fe80::1%eth0",
    ]],
    [tunnel("peer: hq\nremote: 10.0.0.2:0\nlocal: 10.0.0.1:0"), [
      "8:13: tunnels.t.remote: expected a UDP port from 1 to 65535",
    ]],
    [
      tunnel(
        "peer: hq\nremote:\n- { address: 10.0.0.2, preference: -1, wieght: 2 }\n- 10.0.0.3\n- { address: 10.0.0.2 }\n- { address: 10.0.0.2:1701 }\n- { address: fd77::2, weight: 1 }",
      ),
      [
        "9:40: tunnels.t.remote[0].preference: got -1; expected a whole number from 0 to 65535",
        '9:44: tunnels.t.remote[0].wieght: unknown key; did you mean "weight"?',
        '10:7: tunnels.t.remote[1]: got "10.0.0.3"; expected an entry such as { address: 10.0.0.1, preference: 1, weight: 2 }',
        "12:18: tunnels.t.remote[3].address: listed before; expected each remote once",
        "13:18: tunnels.t.remote[4].address: the first remote is IPv4; expected an IPv4 address here",
      ],
    ],
    // Policy.
    [
      "peers: { hq: { address: [10.0.0.0/8, fd77::1], session-limit: 1, tunnel-limit: 1 } }\ntunnels:\n" +
      "  a: { peer: hq, remote: [{ address: 10.1.1.1 }, { address: 11.0.0.1 }] }\n" +
      "  b: { peer: hq, remote: fd77::1, sessions: { x: , y: } }\n" +
      "  c: { peer: hq, mode: passive }",
      [
        "3:61: tunnels.a.remote[1].address: not among the addresses of peers.hq; expected one of them",
        "4:14: tunnels.b.peer: the tunnel-limit of peers.hq is 1; expected no more tunnels",
        "4:35: tunnels.b.sessions: 2 sessions, and the session-limit of peers.hq is 1; expected no more",
      ],
    ],
    // Calls that we place.
    [tunnel("peer: hq\nremote: 10.0.0.2\nsessions: { 7: , 'a b': }"), [
      '9:17: tunnels.t.sessions.7: got "7"; expected a letter or digit, then at most 62 letters, digits, dots, dashes or underscores; not digits alone, for those are ids',
      '9:22: tunnels.t.sessions[?]: got "a b"; expected a letter or digit, then at most 62 letters, digits, dots, dashes or underscores; not digits alone, for those are ids',
    ]],
    [call('session-id: 1, remote-end-id: 5550, cookie: "00112233"'), [
      "10:12: tunnels.t.sessions.s.session-id: unknown key; expected one of remote-end-id, direction, cookie-size, pw-type, l2spec-type, reorder-timeout, restart-after, restart-run, rate-limit, source-check, mss-clamp, address-control, vlan-id, mtu, seq, circuit",
      "10:42: tunnels.t.sessions.s.remote-end-id: got 5550; expected a quoted string of 1 to 255 characters",
      "10:48: tunnels.t.sessions.s.cookie: unknown key; expected one of remote-end-id, direction, cookie-size, pw-type, l2spec-type, reorder-timeout, restart-after, restart-run, rate-limit, source-check, mss-clamp, address-control, vlan-id, mtu, seq, circuit",
    ]],
    [call("cookie-size: 8, l2spec-type: default, pw-type: eth", "old"), [
      "10:25: tunnels.t.sessions.s.cookie-size: L2TPv2 has no cookies; leave it out",
      "10:41: tunnels.t.sessions.s.l2spec-type: L2TPv2 has no L2-Specific Sublayer; leave it out",
      "10:59: tunnels.t.sessions.s.pw-type: L2TPv2 carries only ppp, not ethernet; use proto-version 3 for it",
    ]],
    [call("l2spec-type: none, seq: recv, reorder-timeout: 10"), [
      "10:36: tunnels.t.sessions.s.seq: sequence numbers need l2spec-type default (RFC 3931 §4.6)",
      "10:59: tunnels.t.sessions.s.reorder-timeout: sequence numbers need l2spec-type default (RFC 3931 §4.6)",
    ]],
    [call("mtu: 1, circuit: { tap: { nam: x } }"), [
      "10:17: tunnels.t.sessions.s.mtu: got 1; expected a whole number from 68 to 65535",
      "10:31: tunnels.t.sessions.s.circuit.tap.name: missing; expected a string (in quotes if it looks like a number)",
      '10:38: tunnels.t.sessions.s.circuit.tap.nam: unknown key; did you mean "name"?',
    ]],
    [call("circuit: { ppp-login: { user: ann, password: joe-and-ann } }"), [
      "10:21: tunnels.t.sessions.s.circuit: ppp-login carries ppp, not ethernet; expected another circuit or pw-type",
    ]],
    [
      "peers: { hq: { accept: [{ circuit: { tap: { name: x } } }] } }\ntunnels:\n" +
      "  a: { static: { tunnel-id: 1, peer-tunnel-id: 1 }, remote: 10.0.0.1, sessions: { s: { session-id: 1, peer-session-id: 1, circuit: { tap: { name: x } } } } }\n" +
      "  b: { peer: hq, remote: 10.0.0.2, sessions: { s: { circuit: { tap: { name: y } } }, t: { circuit: { tap: { name: y } } } } }",
      [
        "3:139: tunnels.a.sessions.s.circuit.tap: TAP x belongs to peers.hq.accept[0] already; expected another",
        "4:107: tunnels.b.sessions.t.circuit.tap: TAP y belongs to tunnels.b.sessions.s already; expected another",
      ],
    ],
    [
      "peers: { hq: }\ntunnels:\n" +
      "  a: { static: { tunnel-id: 1, peer-tunnel-id: 1 }, remote: 10.0.0.1 }\n" +
      "  a: { peer: hq, remote: 10.0.0.2 }",
      ["4:3: tunnels.a: duplicate key; expected each key once"],
    ],
  ];
  for (const [text, expected] of cases) assert.deepEqual(errors(text), expected, text);
});

Deno.test("parseConfig() reads secret-file beside the file, and strips one closing newline", () => {
  const asked: string[] = [];
  const file = (content: string) => (path: string) => {
    asked.push(path);
    return content;
  };
  const text = peer("secret-file: hq.secret");
  const secret = (content: string) => parse(text, file(content)).peers[0]!.settings.secret;
  assert.deepEqual(secret("two words \n"), bytes("two words "));
  assert.deepEqual(secret("crlf\r\n"), bytes("crlf"));
  assert.deepEqual(secret("one\n\n"), bytes("one\n"));
  assert.deepEqual(secret("bare"), bytes("bare"));
  assert.deepEqual(new Set(asked), new Set([`${Deno.cwd()}/hq.secret`]));
  assert.deepEqual(errors(text, file("\n")), [
    "3:18: peers.p.secret-file: the file is empty; expected the secret in it",
  ]);
  const missing = () => {
    throw new Deno.errors.NotFound("no such file");
  };
  assert.deepEqual(errors(text, missing), [
    "3:18: peers.p.secret-file: cannot be read: no such file; expected a file that holds the secret",
  ]);
});

Deno.test("parseConfig() reads fallback, which is version 3's", () => {
  const settings = parse(peer("fallback: true")).peers[0]!.settings;
  assert.equal(settings.fallback, true);
  assert.equal(parse(peer("")).peers[0]!.settings.fallback, false);
  assert.deepEqual(errors(peer("proto-version: 2\nfallback: true")), [
    "4:15: peers.p.fallback: version 2 has nothing to fall back to; leave it out",
  ]);
});

Deno.test("parseConfig() reads both secrets while they change", () => {
  const { settings } = parse(
    peer("secret-file: new\nother-secret-file: old"),
    (path) => path.endsWith("new") ? "n" : "o",
  ).peers[0]!;
  assert.deepEqual([settings.secret, settings.otherSecret], [bytes("n"), bytes("o")]);
});

Deno.test("parseConfig() shows no secret of a peer when a colon, blank or quote is forgotten beside it", () => {
  for (
    const wrong of [
      "secret:battery-staple",
      "secret battery-staple",
      "secret: 'battery-staple",
      "secret: battery-staple'",
      "secret: [battery-staple]",
      "secret: { battery-staple: 1 }",
      "secret: !battery-staple",
      "secret: *battery-staple",
      "secret: &battery-staple",
    ]
  ) {
    const found = errors(goodText.replace("secret: battery-staple", wrong));
    for (const line of found) assert.ok(!line.includes("battery"), line);
  }
});
