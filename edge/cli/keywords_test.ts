import assert from "node:assert/strict";
import { UsageError } from "./errors.ts";
import { newSession, sessionChange, sessionEnd } from "./session_words.ts";
import { newTunnel, tunnelChange, tunnelEnd } from "./tunnel_words.ts";

/** The words of a command line without quotes. */
function words(line: string): string[] {
  return line.split(" ").filter((word) => word !== "");
}

function refuses(work: () => unknown, message: string): void {
  assert.throws(work, (error: unknown) => {
    assert.ok(error instanceof UsageError);
    assert.equal(error.message, message);
    return true;
  });
}

Deno.test("newTunnel() reads what ip l2tp add tunnel reads", () => {
  const line = "tunnel_id 1 peer_tunnel_id 0x2 encap udp local 10.77.0.1 remote 10.77.0.2 " +
    "udp_sport 1701 udp_dport 1702 udp_csum off";
  assert.deepEqual(newTunnel(words(line)), {
    "tunnel-id": 1,
    "peer-tunnel-id": 2,
    "encap-type": "udp",
    "ip-saddr": "10.77.0.1",
    "ip-daddr": "10.77.0.2",
    "udp-sport": 1701,
    "udp-dport": 1702,
    "udp-csum": false,
  });
});

Deno.test("newTunnel() knows an address' family and that udp6-csum is zero-csum6 upside down", () => {
  const line = "name six tunnel-id 1 remote fd77::2 udp6-csum-tx off udp6_csum_rx on";
  assert.deepEqual(newTunnel(words(line)), {
    name: "six",
    "tunnel-id": 1,
    "ip6-daddr": "fd77::2",
    "udp-zero-csum6-tx": true,
    "udp-zero-csum6-rx": false,
  });
});

Deno.test("newTunnel() names the wrong keyword or value and says what would be right", () => {
  const cases: [string, string][] = [
    ["tunel-id 1", 'unknown keyword "tunel-id"; did you mean "tunnel-id"?'],
    ["tunnel-id", "tunnel-id: missing its value; expected ID"],
    ["tunnel-id x", 'tunnel-id: got "x"; expected a number'],
    ["tunnel-id -1", 'tunnel-id: got "-1"; expected a number'],
    ["tunnel-id 1 tunnel_id 2", "tunnel-id: given twice"],
    ["encap tcp", 'encap: got "tcp"; expected udp or ip'],
    ["udp-csum yes", 'udp-csum: got "yes"; expected on or off'],
    ["remote 10.0.0", 'remote: got "10.0.0"; expected an IP address'],
  ];
  for (const [line, message] of cases) refuses(() => newTunnel(words(line)), message);
});

Deno.test("newSession() reads a session that ends on a TAP", () => {
  const line = "name office tunnel-id 1 session-id 11 peer-session-id 12 cookie 0011223344556677 " +
    "peer-cookie none l2spec-type none seq recv reorder-timeout 100 lns-mode on mtu 1400 " +
    "tap office0 address 192.168.7.1/24 address fd07::1/64 mac 02:00:00:00:00:01 netns blue";
  assert.deepEqual(newSession(words(line)), {
    tunnel: "1",
    body: {
      name: "office",
      "session-id": 11,
      "peer-session-id": 12,
      cookie: "0011223344556677",
      "peer-cookie": "",
      "l2spec-type": "none",
      "send-seq": false,
      "recv-seq": true,
      "reorder-timeout": 100,
      "lns-mode": true,
      mtu: 1400,
      circuit: {
        tap: {
          name: "office0",
          addresses: ["192.168.7.1/24", "fd07::1/64"],
          mac: "02:00:00:00:00:01",
          netns: "blue",
        },
      },
    },
  });
});

Deno.test("newSession() reads any circuit, its values as the configuration file has them", () => {
  const line = [...words("tunnel branch session-id 11 circuit probe address 192.168.7.1/24"), ...[
    "ping-interval",
    "250",
    "targets",
    "[192.168.7.2, 'a b']",
    "quiet",
    "true",
    "label",
    '"7"',
  ]];
  const { tunnel, body } = newSession(line);
  assert.equal(tunnel, "branch");
  assert.deepEqual(JSON.parse(JSON.stringify(body)), {
    "session-id": 11,
    circuit: {
      probe: {
        address: "192.168.7.1/24",
        "ping-interval": 250,
        targets: ["192.168.7.2", "a b"],
        quiet: true,
        label: "7",
      },
    },
  });
});

Deno.test("newSession() refuses circuits that make no sense", () => {
  const cases: [string, string][] = [
    ["tunnel-id 1 address 10.0.0.1/8", "address: of which device? expected tap IFNAME"],
    [
      "tunnel-id 1 tap x circuit probe",
      "tap: given together with circuit; expected it among its options",
    ],
    ["tunnel-id 1 circuit probe address", "circuit probe: address: missing its value"],
    [
      "tunnel-id 1 circuit probe a 1 a 2",
      "circuit probe: a: given twice; write a list as [a, b]",
    ],
    ["session-id 1", "which tunnel? expected tunnel-id ID or tunnel NAME"],
    ["tunnel-id 1 tunnel a", "tunnel: given together with tunnel-id"],
    ["tunnel-id 1 circuit", "circuit: missing its value; expected PLUGIN [KEY VALUE]…"],
  ];
  for (const [line, message] of cases) refuses(() => newSession(words(line)), message);
  assert.throws(() => newSession(words("tunnel-id 1 circuit probe a [b")), UsageError);
});

Deno.test("changes name what they change and what becomes of it", () => {
  assert.deepEqual(tunnelChange(words("tunnel_id 0x10 remote 10.0.0.3")), {
    tunnel: "16",
    body: { "ip-daddr": "10.0.0.3" },
  });
  assert.deepEqual(sessionChange(words("tunnel branch name office seq none")), {
    tunnel: "branch",
    session: "office",
    body: { "send-seq": false, "recv-seq": false },
  });
  refuses(
    () => tunnelChange(words("remote 10.0.0.3")),
    "which tunnel? expected tunnel-id ID or name NAME",
  );
  refuses(
    () => tunnelChange(words("name branch")),
    "nothing to change; --help lists the keywords",
  );
  refuses(
    () => sessionChange(words("tunnel-id 1 session-id 11 name north")),
    "name: given together with session-id",
  );
});

Deno.test("deletions take exactly one tunnel or session", () => {
  assert.deepEqual(tunnelEnd(words("name branch")), { tunnel: "branch", query: "" });
  for (const named of ["branch result 6 message bye", "result 6 message bye name branch"]) {
    const { query, tunnel } = tunnelEnd(words(named));
    assert.deepEqual([tunnel, query], ["branch", "?result=6&message=bye"]);
  }
  assert.deepEqual(sessionEnd(words("tunnel_id 1 session_id 11 result 0x3 error 1")), {
    tunnel: "1",
    session: "11",
    query: "?result=3&error=1",
  });
  refuses(() => tunnelEnd([]), "which tunnel? expected tunnel-id ID or name NAME");
  refuses(() => tunnelEnd(words("tunnel-id 1 name b")), "name: given together with tunnel-id");
  refuses(
    () => sessionEnd(words("tunnel-id 1")),
    "which session? expected session-id ID or name NAME",
  );
});
