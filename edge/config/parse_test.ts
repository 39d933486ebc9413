import assert from "node:assert/strict";
import fc from "fast-check";
import { describeConfig } from "./describe.ts";
import { routerIdOf } from "./router_id.ts";
import { configArbitrary, errors, goodText, parse } from "./testing.ts";

/** A file with one tunnel; each line of `extra` belongs to it. The first one is the file's fifth. */
function tunnel(extra: string, ids = "tunnel-id: 1, peer-tunnel-id: 2"): string {
  const lines = extra.split("\n").map((line) => `    ${line}`).join("\n");
  return `tunnels:\n  t:\n    static: { ${ids} }\n    # first line\n${lines}\n`;
}

/** A file with one session; it stands on the seventh line. */
function session(body: string, extra = "remote: 10.0.0.2"): string {
  return tunnel(`${extra}\nsessions:\n  s: { session-id: 1, peer-session-id: 2, ${body} }`);
}

Deno.test("parseConfig() reads a whole file", () => {
  const config = parse(goodText);
  assert.deepEqual(config.listen, [
    { encap: "udp", address: "0.0.0.0", port: 1701 },
    { encap: "ip", address: "0.0.0.0", port: 0 },
    { encap: "udp", address: "::", port: 1701 },
    { encap: "ip", address: "::", port: 0 },
  ]);
  assert.deepEqual(config.admin, {
    listen: { host: "127.0.0.1", port: 8701 },
    tokens: [{ name: "admin", token: "abcdefabcdefabcdef" }],
  });
  assert.deepEqual(config.log, { level: "debug", format: "json" });
  assert.deepEqual(config.tunnels, [
    {
      name: "branch",
      version: 3,
      tunnelId: 1,
      peerTunnelId: 2,
      encap: "udp",
      local: { address: "10.77.0.1", port: 1701 },
      remote: { address: "10.77.0.2", port: 1701 },
      checksum: { udp: true, zero6Tx: false, zero6Rx: false },
      sessions: [{
        name: "office",
        sessionId: 11,
        peerSessionId: 12,
        pseudowireType: 5,
        l2spec: "default",
        cookie: "0011223344556677",
        peerCookie: "8899aabbccddeeff",
        sendSeq: true,
        recvSeq: true,
        lnsMode: false,
        reorderTimeoutMs: 0,
        restartAfterMs: 1000,
        restartRun: 32,
        mtu: 1400,
        circuit: { plugin: "tap", options: { name: "office0", addresses: ["192.168.7.1/24"] } },
      }],
    },
    {
      name: "old",
      version: 2,
      tunnelId: 17,
      peerTunnelId: 2,
      encap: "udp",
      local: { address: "::", port: 1701 },
      remote: { address: "fd77::2", port: 1701 },
      checksum: { udp: true, zero6Tx: false, zero6Rx: false },
      sessions: [{
        name: "dial",
        sessionId: 11,
        peerSessionId: 12,
        pseudowireType: 7,
        l2spec: "none",
        cookie: "",
        peerCookie: "",
        sendSeq: false,
        recvSeq: false,
        lnsMode: true,
        reorderTimeoutMs: 50,
        restartAfterMs: 1000,
        restartRun: 32,
        circuit: {
          plugin: "ppp-login",
          options: { user: "ann", password: "correct-horse", retries: 3 },
        },
      }],
    },
  ]);
});

Deno.test("parseConfig() takes an empty file, and empty sections, as the defaults", () => {
  const expected = {
    listen: [],
    admin: { listen: { path: "/run/isthmus/admin.sock" }, tokens: [] },
    log: { level: "info", format: "text" },
    hostName: "edge1",
    routerId: routerIdOf("edge1"),
    peers: [],
    tunnels: [],
    managed: [],
    plugins: [],
    sections: {},
    circuits: [],
    hooks: {},
    stateFolder: "/var/lib/isthmus",
  };
  for (const text of ["", "# nothing\n", "{}", "listen:\nadmin:\nlog:\ntunnels:\n"]) {
    assert.deepEqual(parse(text), expected, text);
  }
});

const idRange = "expected a whole number from 1 to 4294967295";

Deno.test("parseConfig() says where a file is wrong, what is wrong and what would be right", () => {
  const cases: [string, string[]][] = [
    // The shape.
    ["- a", [
      "1:1: got a list; expected the keys listen, admin, log, offload, host-name, router-id, peers, tunnels",
    ]],
    ["tunels: {}", ['1:1: tunels: unknown key; did you mean "tunnels"?']],
    ["x: {}", [
      "1:1: x: unknown key; expected one of listen, admin, log, offload, host-name, router-id, peers, tunnels, plugins, circuits, hooks, state-folder",
    ]],
    ["log: { level: 3, fromat: json }", [
      "1:15: log.level: got 3; expected debug, info, warn or error",
      '1:18: log.fromat: unknown key; did you mean "format"?',
    ]],
    ["log: loud", ['1:6: log: got "loud"; expected the keys level, format, levels']],
    ["tunnels: [a]", ["1:10: tunnels: got a list; expected a map of names"]],
    ["tunnels: { t: { } }", [
      "1:15: tunnels.t: neither static nor peer; expected one of them",
    ]],
    ["tunnels: { t: { static: } }", [
      "1:12: tunnels.t.remote: missing; expected an address or a DNS name",
      "1:25: tunnels.t.static: got nothing; expected the keys tunnel-id, peer-tunnel-id",
    ]],
    [tunnel("remote: 10.0.0.2", "tunnel-id: x"), [
      `3:5: tunnels.t.static.peer-tunnel-id: missing; ${idRange}`,
      `3:26: tunnels.t.static.tunnel-id: got "x"; ${idRange}`,
    ]],
    // Listeners.
    ['listen: { udp: "0.0.0.0:1701" }', [
      '1:9: listen: got a map; expected a list such as [{ udp: "0.0.0.0:1701" }]',
    ]],
    ['listen: [{ udp: "0.0.0.0:0" }, { ip: "0.0.0.0:5" }, {}, { udp: 1.1.1.1, ip: 1.1.1.1 }]', [
      "1:17: listen[0].udp: port 0; expected a UDP port from 1 to 65535",
      '1:38: listen[1].ip: got "0.0.0.0:5"; expected an IP address without a port, such as 0.0.0.0 or ::',
      "1:53: listen[2]: neither or both; expected either udp or ip",
      "1:57: listen[3]: neither or both; expected either udp or ip",
    ]],
    ["listen:\n- udp: 0.0.0.0\n- udp: 10.0.0.1:1701\n- udp: '[::]'\n- udp: 10.0.0.1:1702", [
      "3:8: listen[1].udp: 10.0.0.1:1701 overlaps with listen[0]; expected only one of them",
    ]],
    ["listen:\n- ip: 10.0.0.1\n- ip: 10.0.0.2\n- ip: fd00::1\n- ip: '::'\n- ip: fd00:0::1", [
      "5:7: listen[3].ip: :: overlaps with listen[2]; expected only one of them",
      "6:7: listen[4].ip: fd00::1 overlaps with listen[3]; expected only one of them",
    ]],
    ["listen: [{ udp: fd77::1:1701 }]", [
      '1:17: listen[0].udp: got "fd77::1:1701"; expected an IP address with or without a port, such as 10.0.0.1:1701 or [fd77::1]:1701',
    ]],
    // The admin endpoint.
    ["admin: { listen: 0.0.0.0:80 }", [
      "1:18: admin.listen: every user of this machine can reach 0.0.0.0, and others may; expected a token or token-file too, or unix: and a path",
    ]],
    ["admin: { listen: 127.0.0.1:80 }", [
      "1:18: admin.listen: every user of this machine can reach 127.0.0.1, and others may; expected a token or token-file too, or unix: and a path",
    ]],
    ["admin: { token: abcdefabcdefabc, tokens: { eve: {}, bob: { token: 0123456789abcde } } }", [
      "1:17: admin.token: the token has 15 characters and can be guessed; expected at least 16, such as the answer of: openssl rand -hex 16",
      "1:49: admin.tokens.eve: empty; expected token or token-file",
      "1:67: admin.tokens.bob.token: the token has 15 characters and can be guessed; expected at least 16, such as the answer of: openssl rand -hex 16",
    ]],
    ["admin: { listen: unix:run.sock }", [
      '1:18: admin.listen: got "unix:run.sock"; expected unix: and an absolute path of at most 107 bytes, or an IP address and port such as 127.0.0.1:8701',
    ]],
    ["admin: { token: 12345, token-file: '' }", [
      "1:17: admin.token: got <hidden>, a number; expected a quoted string",
      `1:36: admin.token-file: got ""; expected a file's path`,
    ]],
    ["admin: { token: 'two words' }", [
      "1:17: admin.token: the token is empty or holds other characters than a header can carry; expected letters, digits and . _ ~ + / -",
    ]],
    ["admin: { token: abc, token-file: x }", [
      "1:34: admin.token-file: given together with token; expected one of them",
    ]],
    ["admin: { token-file: x }", [
      "1:22: admin.token-file: files cannot be read here; expected token",
    ]],
    // Ids and names.
    [tunnel("remote: 10.0.0.2", "tunnel-id: 0, peer-tunnel-id: 4294967296"), [
      "3:26: tunnels.t.static.tunnel-id: got 0; expected a whole number from 1 to 4294967295",
      "3:45: tunnels.t.static.peer-tunnel-id: got 4294967296; expected a whole number from 1 to 4294967295",
    ]],
    [
      tunnel(
        "remote: 10.0.0.2\nproto-version: 2\nsessions: { s: { session-id: 65536, peer-session-id: 1 } }",
        "tunnel-id: 65536, peer-tunnel-id: 1",
      ),
      [
        "3:26: tunnels.t.static.tunnel-id: 65536 is no L2TPv2 id; expected 1 to 65535",
        "7:34: tunnels.t.sessions.s.session-id: 65536 is no L2TPv2 id; expected 1 to 65535",
      ],
    ],
    [tunnel("remote: 10.0.0.2\nproto-version: 4"), [
      "6:20: tunnels.t.proto-version: got 4; expected 2 (RFC 2661) or 3 (RFC 3931)",
    ]],
    [
      tunnel(
        "remote: 10.0.0.2\nsessions: { 17: { session-id: 1, peer-session-id: 1 }, 'a b': { session-id: 2, peer-session-id: 1 } }",
      ),
      [
        '6:17: tunnels.t.sessions.17: got "17"; expected a letter or digit, then at most 62 letters, digits, dots, dashes or underscores; not digits alone, for those are ids',
        '6:60: tunnels.t.sessions[?]: got "a b"; expected a letter or digit, then at most 62 letters, digits, dots, dashes or underscores; not digits alone, for those are ids',
      ],
    ],
    [
      "tunnels: { a: { static: { tunnel-id: 1, peer-tunnel-id: 1 }, remote: 10.0.0.1 },\n" +
      "  b: { static: { tunnel-id: 1, peer-tunnel-id: 1 }, remote: 10.0.0.2 },\n" +
      "  a: { static: { tunnel-id: 2, peer-tunnel-id: 1 }, remote: 10.0.0.3 } }",
      [
        "2:29: tunnels.b.static.tunnel-id: 1 is the tunnel-id of tunnels.a too; expected another",
        "3:3: tunnels.a: duplicate key; expected each key once",
      ],
    ],
    [
      tunnel(
        "remote: 10.0.0.2\nsessions:\n  a: { session-id: 7, peer-session-id: 1 }\n  b: { session-id: 7, peer-session-id: 1 }",
      ),
      [
        "8:24: tunnels.t.sessions.b.session-id: 7 is the session-id of tunnels.t.sessions.a too; expected another",
      ],
    ],
    [
      "tunnels:\n" +
      "  a: { static: { tunnel-id: 1, peer-tunnel-id: 1 }, remote: 10.0.0.1, sessions: { s: { session-id: 7, peer-session-id: 1 } } }\n" +
      "  b: { static: { tunnel-id: 2, peer-tunnel-id: 1 }, remote: 10.0.0.2, sessions: { s: { session-id: 7, peer-session-id: 1 } } }\n" +
      "  c: { static: { tunnel-id: 3, peer-tunnel-id: 1 }, remote: 10.0.0.1, local: 10.0.0.9, sessions: { s: { session-id: 7, peer-session-id: 1 } } }",
      [
        "4:117: tunnels.c.sessions.s.session-id: 7 is the session-id of tunnels.a.sessions.s too, between the same two endpoints; expected another",
      ],
    ],
    // Endpoints.
    [tunnel("remote: host.example"), []],
    [tunnel("remote: host.example:1702\nresolve-interval: 5"), []],
    [tunnel("remote: 10.0.0.1\nresolve-interval: 5"), [
      "6:23: tunnels.t.resolve-interval: remote is an address, which nobody looks up; leave it out",
    ]],
    ...["host_example", "10.0.0.256", "host..example", "host.example:99999"].map((remote) =>
      [tunnel(`remote: "${remote}"`), [
        `5:13: tunnels.t.remote: got "${remote}"; expected an IP address or a DNS name, with or without a port, such as 10.0.0.1:1701, [fd77::1]:1701 or lns.example.net`,
      ]] as [string, string[]]
    ),
    [tunnel('remote: "fe80::1%2"'), [
      "5:13: tunnels.t.remote: a device's number as zone; expected its name, such as fe80::1%eth0",
    ]],
    [tunnel("remote: 0.0.0.0\nlocal: 224.0.0.1"), [
      "5:13: tunnels.t.remote: expected the address of one peer",
      "6:12: tunnels.t.local: multicast; expected an address of this machine",
    ]],
    [tunnel("remote: fe80::1"), [
      "5:13: tunnels.t.remote: link-local; expected its zone too, such as fe80::1%eth0",
    ]],
    [tunnel("remote: fd00::1\nlocal: 10.0.0.1"), [
      "6:12: tunnels.t.local: the remote address is IPv6; expected an IPv6 address here",
    ]],
    [tunnel("remote: 10.0.0.1:0"), [
      "5:13: tunnels.t.remote: expected a UDP port from 1 to 65535",
    ]],
    [tunnel("encap: ip\nremote: 10.0.0.1:1701\nlocal: 10.0.0.2:1701\nudp-csum: true"), [
      "6:13: tunnels.t.remote: IP protocol 115 has no ports; leave it out, or use udp",
      "7:12: tunnels.t.local: IP protocol 115 has no ports; leave it out, or use udp",
      "8:15: tunnels.t.udp-csum: IP protocol 115 has no UDP checksum; leave it out",
    ]],
    [tunnel("encap: ip\nproto-version: 2\nremote: 10.0.0.1"), [
      "5:12: tunnels.t.encap: L2TPv2 travels over udp only (RFC 2661 §8.1); use proto-version 3 for ip",
    ]],
    [tunnel("encap: tcp\nremote: 10.0.0.1\nudp-csum: yes"), [
      '5:12: tunnels.t.encap: got "tcp"; expected udp or ip',
      '7:15: tunnels.t.udp-csum: got "yes"; expected true or false',
    ]],
    [tunnel("remote: 10.0.0.1\nudp-zero-csum6-rx: true"), [
      "6:24: tunnels.t.udp-zero-csum6-rx: for IPv6 only; over IPv4, say udp-csum: false",
    ]],
    [tunnel("remote: fd00::1\nudp-csum: false"), [
      "6:15: tunnels.t.udp-csum: for IPv4 only; over IPv6, say udp-zero-csum6-tx: true (RFC 6936)",
    ]],
    [
      "listen: [{ ip: 10.0.0.1 }, { ip: 'fd00::1' }]\ntunnels:\n" +
      "  a: { static: { tunnel-id: 1, peer-tunnel-id: 1 }, encap: ip, remote: 10.0.0.9 }\n" +
      "  b: { static: { tunnel-id: 2, peer-tunnel-id: 1 }, encap: ip, remote: 10.0.0.9, local: 10.0.0.1 }\n" +
      "  c: { static: { tunnel-id: 3, peer-tunnel-id: 1 }, encap: ip, remote: 10.0.0.8, local: 10.0.0.2 }\n" +
      "  d: { static: { tunnel-id: 4, peer-tunnel-id: 1 }, encap: ip, remote: 10.0.0.8, local: 10.0.0.2 }\n" +
      "  e: { static: { tunnel-id: 5, peer-tunnel-id: 1 }, encap: ip, remote: 'fd00::9', local: 'fd00::2' }",
      [
        "3:3: tunnels.a.local: protocol 115 at 0.0.0.0 overlaps with the listener at 10.0.0.1; expected the same address there and here",
      ],
    ],
    [
      "tunnels:\n" +
      "  a: { static: { tunnel-id: 1, peer-tunnel-id: 1 }, encap: ip, remote: 10.0.0.9, local: 10.0.0.1 }\n" +
      "  b: { static: { tunnel-id: 2, peer-tunnel-id: 1 }, encap: ip, remote: 10.0.0.9 }",
      [
        "3:3: tunnels.b.local: protocol 115 at 0.0.0.0 overlaps with tunnels.a.local; expected the same address there and here",
      ],
    ],
    // Sessions.
    [session("cookie: 00112233"), [
      '7:55: tunnels.t.sessions.s.cookie: got <hidden>, a number; expected a quoted string of 8 or 16 hexadecimal digits, such as "00112233"',
    ]],
    [session('cookie: "001122", peer-cookie: "001122334455667"'), [
      "7:55: tunnels.t.sessions.s.cookie: got <hidden>; expected 8 or 16 hexadecimal digits (4 or 8 bytes)",
      "7:78: tunnels.t.sessions.s.peer-cookie: got <hidden>; expected 8 or 16 hexadecimal digits (4 or 8 bytes)",
    ]],
    [session('cookie: "00112233", l2spec-type: default', "remote: 10.0.0.2\nproto-version: 2"), [
      "8:55: tunnels.t.sessions.s.cookie: L2TPv2 has no cookies; leave it out",
      "8:80: tunnels.t.sessions.s.l2spec-type: L2TPv2 has no L2-Specific Sublayer; leave it out",
    ]],
    [session("pw-type: eth", "remote: 10.0.0.2\nproto-version: 2"), [
      "8:56: tunnels.t.sessions.s.pw-type: L2TPv2 carries only ppp, not ethernet; use proto-version 3 for it",
    ]],
    [session("l2spec-type: none, seq: both, reorder-timeout: 10"), [
      "7:71: tunnels.t.sessions.s.seq: sequence numbers need l2spec-type default (RFC 3931 §4.6)",
      "7:94: tunnels.t.sessions.s.reorder-timeout: sequence numbers need l2spec-type default (RFC 3931 §4.6)",
    ]],
    [session("pw-type: 8"), [
      "7:56: tunnels.t.sessions.s.pw-type: no RFC says what ppp-ac (8) carries; expected ppp (7), with pppoe at a LAC",
    ]],
    [session("pw-type: 5, vlan-id: 7"), [
      "7:68: tunnels.t.sessions.s.vlan-id: a pseudowire of type ethernet has no VLAN of its own; use ethernet-vlan",
    ]],
    [session("pw-type: 6, reorder-timeout: 60001, mtu: 67, lns-mode: 1"), [
      "7:56: tunnels.t.sessions.s.pw-type: got 6; expected ethernet (5), ethernet-vlan (4) or ppp (7)",
      "7:76: tunnels.t.sessions.s.reorder-timeout: got 60001; expected a whole number from 0 to 60000",
      "7:88: tunnels.t.sessions.s.mtu: got 67; expected a whole number from 68 to 65535",
      "7:102: tunnels.t.sessions.s.lns-mode: got 1; expected true or false",
    ]],
    [session("mss-clamp: 63, rate-limit: { burst: 9 }"), [
      "7:58: tunnels.t.sessions.s.mss-clamp: got 63; expected auto, off or a number of octets from 64 to 65495",
      "7:74: tunnels.t.sessions.s.rate-limit: got a map; expected rx, tx or both",
    ]],
    // Circuits.
    [session("circuit: { tpa: { } }"), [
      '7:58: tunnels.t.sessions.s.circuit.tpa: no such plugin; did you mean "tap"?',
    ]],
    [session("circuit: tap"), [
      '7:56: tunnels.t.sessions.s.circuit: got "tap"; expected one plugin\'s name with its options, such as tap: { name: l2tp0 }',
    ]],
    [session("circuit: { tap: { name: a }, ppp-login: { } }"), [
      "7:56: tunnels.t.sessions.s.circuit: names none or several; expected exactly one plugin's name with its options",
    ]],
    [session("circuit: { tap: }"), [
      "7:58: tunnels.t.sessions.s.circuit.tap.name: missing; expected a string (in quotes if it looks like a number)",
    ]],
    [session("circuit: { tap: { name: 5, adresses: [] } }"), [
      "7:71: tunnels.t.sessions.s.circuit.tap.name: got 5; expected a string (in quotes if it looks like a number)",
      '7:74: tunnels.t.sessions.s.circuit.tap.adresses: unknown key; did you mean "addresses"?',
    ]],
    [session("circuit: { ppp-login: { user: ann, password: joe-and-ann } }"), [
      "7:56: tunnels.t.sessions.s.circuit: ppp-login carries ppp, not ethernet; expected another circuit or pw-type",
    ]],
    [
      session(
        "pw-type: ppp, circuit: { ppp-login: { user: a.b, password: short, retries: 9, mode: x, routes: [{ to: 1, mtric: 2 }] } }",
      ),
      [
        '7:91: tunnels.t.sessions.s.circuit.ppp-login.user: got "a.b"; expected another format',
        "7:106: tunnels.t.sessions.s.circuit.ppp-login.password: got <hidden>; expected at least 8 characters",
        "7:122: tunnels.t.sessions.s.circuit.ppp-login.retries: got 9; expected at most 5",
        '7:131: tunnels.t.sessions.s.circuit.ppp-login.mode: got "x"; expected pap or chap',
        "7:149: tunnels.t.sessions.s.circuit.ppp-login.routes[0].to: got 1; expected a string (in quotes if it looks like a number)",
        '7:152: tunnels.t.sessions.s.circuit.ppp-login.routes[0].mtric: unknown key; did you mean "metric"?',
      ],
    ],
    [
      tunnel(
        "remote: 10.0.0.2\nsessions:\n  a: { session-id: 1, peer-session-id: 1, circuit: { tap: { name: x } } }\n  b: { session-id: 2, peer-session-id: 1, circuit: { tap: { name: x } } }",
      ),
      [
        "8:63: tunnels.t.sessions.b.circuit.tap: TAP x belongs to tunnels.t.sessions.a already; expected another",
      ],
    ],
  ];
  for (const [text, expected] of cases) assert.deepEqual(errors(text), expected, text);
});

Deno.test("parseConfig() finds all problems at once, in the file's order", () => {
  const text = goodText.replace("encap:", "encpa:").replace("seq: both", "seq: bth")
    .replace("name: office0", "nam: office0").replace("lns-mode: true", "session-id: 5")
    .replace("8701", "99999");
  const places = errors(text).map((line) => line.split(" ", 2).join(" "));
  assert.deepEqual(places, [
    "2:18: admin.listen:",
    "7:5: tunnels.branch.encpa:",
    "16:14: tunnels.branch.sessions.office.seq:",
    "18:20: tunnels.branch.sessions.office.circuit.tap.name:",
    "18:27: tunnels.branch.sessions.office.circuit.tap.nam:",
    "27:9: tunnels.old.sessions.dial.session-id:",
  ]);
});

Deno.test("parseConfig() reads token-file beside the file, and tells no secret when it cannot", () => {
  const asked: string[] = [];
  const file = (content: string) => (path: string) => {
    asked.push(path);
    return content;
  };
  const text = "admin: { listen: 0.0.0.0:80, token-file: isthmus.token }";
  assert.deepEqual(parse(text, file("s3cret+/s3cret+/=\n")).admin, {
    listen: { host: "0.0.0.0", port: 80 },
    tokens: [{ name: "admin", token: "s3cret+/s3cret+/=" }],
  });
  assert.deepEqual(asked, [`${Deno.cwd()}/isthmus.token`]);
  const unusable =
    "1:42: admin.token-file: the token is empty or holds other characters than a header can carry; expected letters, digits and . _ ~ + / -";
  assert.deepEqual(errors(text, file("two secrets")), [unusable]);
  assert.deepEqual(errors(text, file("")), [unusable]);
  const missing = () => {
    throw new Deno.errors.NotFound("no such file");
  };
  assert.deepEqual(errors(text, missing), [
    "1:42: admin.token-file: cannot be read: no such file; expected a file that holds the token",
  ]);
});

Deno.test("parseConfig() shows no secret when a colon, blank or quote is forgotten beside it", () => {
  const right = "password: correct-horse";
  for (
    const wrong of [
      "password:correct-horse",
      "password correct-horse",
      "password: 'correct-horse",
      "password: correct-horse'",
      'password: "correct-horse" x',
      "password: [correct-horse]",
      "password: { correct-horse: 1 }",
      "password: !correct-horse",
      "password: *correct-horse",
      "password: &correct-horse",
      "password: |correct-horse",
      "password: @correct-horse",
    ]
  ) {
    const found = errors(goodText.replace(right, wrong));
    for (const line of found) assert.ok(!line.includes("correct"), line);
  }
});

Deno.test("parseConfig() throws nothing but ConfigError, whatever the text", () => {
  const word = fc.constantFrom(
    ..."listen admin log tunnels static sessions circuit tap cookie remote udp ip 1 null [] {} - * & ! ' \""
      .split(" "),
    ": ",
    ", ",
    "\n  ",
  );
  const text = fc.oneof(fc.string(), fc.array(word).map((words) => words.join("")));
  fc.assert(fc.property(text, (text) => void errors(text)), { numRuns: 1000 });
});

Deno.test("parseConfig() throws nothing but ConfigError at a good file that was damaged", () => {
  const damage = fc.tuple(
    fc.nat(goodText.length),
    fc.nat(8),
    fc.oneof(
      fc.constantFrom("", "null", "[]", "{}", "-1", "9e99", "\n", ": ", "__proto__: 1"),
      fc.string(),
    ),
  );
  fc.assert(
    fc.property(fc.array(damage, { minLength: 1, maxLength: 3 }), (damages) => {
      let text = goodText;
      for (const [at, length, insert] of damages) {
        text = text.slice(0, at) + insert + text.slice(at + length);
      }
      errors(text);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("parseConfig() throws nothing but ConfigError at any value in any place", () => {
  const good = JSON.stringify(describeConfig(parse(goodText)));
  const places = [...good.matchAll(/:("[^"]*"|\d+|true|false|\[|\{)/g)].length;
  fc.assert(
    fc.property(fc.nat(places - 1), fc.jsonValue({ maxDepth: 2 }), (place, value) => {
      let i = 0;
      const text = good.replace(
        /:("[^"]*"|\d+|true|false)/g,
        (all) => i++ === place ? `:${JSON.stringify(value)}` : all,
      );
      errors(text);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("parseConfig() reads back what describeConfig() shows", () => {
  fc.assert(fc.property(configArbitrary, (config) => {
    assert.deepEqual(parse(JSON.stringify(describeConfig(config))), config);
  }));
});

Deno.test("parseConfig() takes 10,000 sessions, and counts what is wrong", () => {
  const file = (key: string) =>
    tunnel("remote: 10.0.0.2\nsessions:\n") +
    Array.from({ length: 10_000 }, (_, i) =>
      `      s${i}: { ${key}: ${i + 1}, peer-session-id: 1, circuit: { tap: { name: t${i} } } }`)
      .join("\n");
  assert.equal(errors(file("session-id")).length, 0);
  const told = errors(file("sesion-id"));
  assert.equal(told.length, 21);
  assert.equal(told.at(-1), "and 19980 more");
});
