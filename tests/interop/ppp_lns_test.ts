/** We are the LNS: xl2tpd and pppd of the lab's guest dial in, the kernel carries their packets. */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { dualStack } from "./support/dual_stack.ts";
import { bootLab, type Lab, wire } from "./support/lab.ts";
import { isthmus, quickTimers } from "./support/managed.ts";
import {
  pppdLog,
  type PppdOptions,
  startXl2tpdInGuest,
  stopXl2tpdInGuest,
  untilPppd,
} from "./support/pppd.ts";
import { until } from "./support/process.ts";
import { suite } from "./support/suite.ts";
import { assertNoLoss, iperf, ping, pingFromGuest, reaches } from "./support/traffic.ts";
import { xl2tpdConfig } from "./support/xl2tpd.ts";

const [here] = [wire.here.ip4];

const { test } = suite<Lab>(
  import.meta.url,
  ["root", "tun", "lab", "ip", "xl2tpd", "pppd", "iperf3"],
  async (stack) => stack.use(await bootLab()),
);

interface Termination {
  readonly more?: string;
  readonly section?: string;
  readonly addresses?: readonly string[];
}

/** An LNS for the guest's users. */
async function startLns(
  lab: Lab,
  { addresses = [here], more = "", section = "" }: Termination = {},
): Promise<Appliance> {
  const users = `${lab.folder}/users.yaml`;
  await Deno.writeTextFile(
    users,
    Array.from({ length: 30 }, (_, i) => `user${i}: { password: pass }\n`).join("") +
      "bob: { password: pass }\n",
    { mode: 0o600 },
  );
  return await startAppliance(lab, (socket) => `
listen: [${addresses.map((address) => `{ udp: "${address}:1701" }`).join()}]
admin: { listen: "unix:${socket}" }
${
    dualStack(users, { more: `        dns: [10.64.0.53, "2001:db8::53"]\n${more}`, section })
  }peers: { xl2tpd: { proto-version: 2, ${quickTimers}, accept: [{ circuit: lns }] } }
`);
}

/** Dials with one call. */
function dial(lab: Lab, options: PppdOptions = {}, tunnels = 1): Promise<void> {
  return startXl2tpdInGuest(
    lab,
    xl2tpdConfig({ role: "lac", tunnels }, "/lab", "/lab/ppp.options"),
    options,
  );
}

interface Row {
  readonly status: string;
  readonly "circuit-state"?: Record<string, unknown>;
  readonly statistics: Record<string, number>;
}

async function sessionsOf(appliance: Appliance): Promise<Row[]> {
  return (await appliance.get<{ sessions: Row[] }>("/v1/sessions?limit=1000")).sessions;
}

const methods = [
  ["pap", ["refuse-chap", "refuse-mschap", "refuse-mschap-v2"]],
  ["chap-md5", ["refuse-pap", "refuse-mschap", "refuse-mschap-v2"]],
  ["mschapv2", ["refuse-pap", "refuse-chap", "refuse-mschap"]],
] as const;

for (const [method, more] of methods) {
  test(`a subscriber of pppd logs in by ${method}, and reaches us and is reached by IPv4 and IPv6`, async (lab) => {
    await using appliance = await startLns(lab);
    await dial(lab, { more: [...more, "+ipv6", "usepeerdns"] });
    try {
      await untilPppd(lab, /remote LL address/);
      await untilPppd(lab, /remote IP address 10\.64\.0\.1/);
      await untilPppd(lab, /primary {3}DNS address 10\.64\.0\.53/);
      assert.match(await pppdLog(lab), /local {2}IP address 10\.64\.0\.2/);
      assertNoLoss((await pingFromGuest(lab, ["10.64.0.1"]))[0]!, "guest to TUN");
      assertNoLoss(await ping(lab, "10.64.0.2"), "TUN to guest");
      const address = await untilGlobal(lab);
      assertNoLoss(await ping(lab, address, "-6"), "TUN to guest, IPv6");
      const [row] = await sessionsOf(appliance);
      assert.equal(row!["circuit-state"]!["user"], "bob");
      assert.equal(row!["circuit-state"]!["address"], "10.64.0.2");
    } finally {
      await stopXl2tpdInGuest(lab);
    }
    await until("the session is gone", async () => (await sessionsOf(appliance)).length === 0);
  });
}

/** The address that the guest's kernel has made of what we announce. */
async function untilGlobal(lab: Lab): Promise<string> {
  let address: string | undefined;
  await until("the guest has an address of the announced prefix", async () => {
    const { stdout } = await lab.tryGuest("ip -6 -o addr show dev ppp0 scope global");
    address = /inet6 (2001:db8:10[0-9a-f:]+)\/64/.exec(stdout)?.[1];
    return address !== undefined;
  });
  return address!;
}

test("TCP goes both ways, also where MSS is not clamped: packets larger than the MRU are answered by ICMP", async (lab) => {
  for (const more of ["        clamp-mss: true", "        clamp-mss: false"]) {
    await using appliance = await startLns(lab, { more });
    await dial(lab, { more: ["mru 1400", "mtu 1400"] });
    try {
      await untilPppd(lab, /remote IP address/);
      for (const reverse of [[], ["-R"]]) {
        const { bitsPerSecond } = await iperf(lab, "-c", "10.64.0.2", "-t", "2", ...reverse);
        assert(bitsPerSecond > 1e5, `${more} ${reverse}: ${bitsPerSecond} bit/s`);
      }
      const [row] = await sessionsOf(appliance);
      assert.ok(row!.statistics["rx-bytes"]! > 100_000, JSON.stringify(row!.statistics));
    } finally {
      await stopXl2tpdInGuest(lab);
    }
  }
});

test("a packet one octet larger than an MRU of 1492 is answered with the MRU, by ICMP of both families", async (lab) => {
  await using _appliance = await startLns(lab);
  // The wire takes 1600 octets here: what is too large is so for the subscriber alone.
  await lab.here("ip", "link", "set", lab.tap, "mtu", "1600");
  await dial(lab, { more: ["mru 1492", "+ipv6"] });
  try {
    await untilPppd(lab, /remote IP address/);
    const address = await untilGlobal(lab);
    const one = async (...args: string[]) => {
      const { stderr, stdout } = await lab.tryHere([
        "ping",
        "-n",
        "-c",
        "1",
        "-W",
        "2",
        "-M",
        "do",
        ...args,
      ]);
      return stdout + stderr;
    };
    await lab.here("ip", "link", "set", "subs0", "mtu", "1500");
    assert.match(await one("-s", "1464", "10.64.0.2"), /1 received/);
    assert.match(await one("-s", "1465", "10.64.0.2"), /mtu ?= ?1492/);
    assert.match(await one("-6", "-s", "1444", address), /1 received/);
    assert.match(await one("-6", "-s", "1445", address), /mtu ?= ?1492/);
  } finally {
    await stopXl2tpdInGuest(lab);
    await lab.here("ip", "link", "set", lab.tap, "mtu", "1500");
  }
});

test("a wrong password is refused: pppd is told by CHAP, xl2tpd by the CDN, the operator by a list", async (lab) => {
  await using appliance = await startLns(lab);
  await dial(lab, { password: "wrong", more: ["refuse-pap"] });
  try {
    await untilPppd(lab, /authentication failed/i);
    const { rows } = await appliance.get<{ rows: Record<string, unknown>[] }>(
      "/v1/views/failed-login",
    );
    assert.deepEqual([rows[0]!["user"], rows[0]!["stage"], rows[0]!["reason"]], [
      "bob",
      "authentication",
      "wrong password",
    ]);
    assert.doesNotMatch(await appliance.process.log(), /wrong-secret-text/);
  } finally {
    await stopXl2tpdInGuest(lab);
  }
});

test("twenty dial at once, each is up and reached, and each first frame is carried", async (lab) => {
  // The guest's kernel tells tunnels from each other by the peer's address: each calls another one of ours.
  const addresses = Array.from({ length: 20 }, (_, i) => `10.77.0.${100 + i}`);
  for (const address of addresses) {
    await lab.here("ip", "addr", "add", `${address}/24`, "dev", lab.tap);
  }
  await using appliance = await startLns(lab, {
    addresses,
    // The guest has one way to 10.64.0.1 for all of its links: what one is asked, another one may answer.
    more: "        source-check: false",
  });
  const config = xl2tpdConfig({ role: "lac", tunnels: 20 }, "/lab", "/lab/ppp.options");
  let next = 0;
  await startXl2tpdInGuest(
    lab,
    config.replaceAll("lns = 10.77.0.1\n", () => `lns = ${addresses[next++]}\n`),
  );
  try {
    const stages = async () =>
      (await sessionsOf(appliance)).map((row) => row["circuit-state"]?.["stage"]);
    try {
      await until(
        "twenty are up",
        async () => (await stages()).filter((stage) => stage === "up").length === 20,
        90_000,
      );
    } catch (error) {
      throw new Error(`${error}: ${await stages()}\n${(await pppdLog(lab)).slice(-3000)}`);
    }
    const rows = await sessionsOf(appliance);
    const given = rows.map((row) => String(row["circuit-state"]!["address"]));
    assert.equal(new Set(given).size, 20);
    for (const address of given.slice(0, 5)) {
      // pppd says that it is up before its kernel has the address.
      await until(
        `${address} answers`,
        () => reaches(lab, address),
      );
    }
    const { drops } = await appliance.datapath();
    assert.equal(drops["unknown-session"] ?? 0, 0);
    // A first LCP frame that is lost is sent again after a second; a slow guest may do so without need, but not each.
    const requests = [
      ...(await pppdLog(lab)).matchAll(/sent \[LCP ConfReq id=0x1 .*<magic (\w+)>/g),
    ];
    const magics = requests.map(([, magic]) => magic);
    assert.equal(new Set(magics).size, 20);
    assert.ok(magics.length < 30, `${magics.length - 20} of 20 repeated their first request`);
  } finally {
    await stopXl2tpdInGuest(lab);
  }
});

test("either end hangs up: by Terminate-Request, and the other knows; a subscriber that dials again keeps its address", async (lab) => {
  await using appliance = await startLns(lab);
  await dial(lab);
  try {
    await untilPppd(lab, /remote IP address/);
    await isthmus(appliance, "do", "disconnect", "user", "bob");
    await untilPppd(lab, /rcvd \[LCP TermReq[^\n]*disconnected by the operator/);
    // xl2tpd dials again.
    await untilPppd(lab, /(?:remote IP address[^]*){2}/);
    assert.match(await pppdLog(lab), /(?:local {2}IP address 10\.64\.0\.2[^]*){2}/);
    await lab.guest("kill -TERM $(pidof pppd)");
    await until(
      "it ended here",
      async () => /ended by the peer|the peer ends the link/.test(await appliance.process.log()),
    );
    await untilPppd(lab, /rcvd \[LCP TermAck/);
  } finally {
    await stopXl2tpdInGuest(lab);
  }
});

test("a subscriber that is cut off is noticed by LCP echoes, and its address is free again", async (lab) => {
  await using appliance = await startLns(lab, {
    more: "        echo-interval: 1\n        echo-failures: 3",
  });
  await dial(lab);
  try {
    await untilPppd(lab, /remote IP address/);
    // The tunnel lives on: only what pppd says is lost.
    await lab.guest("kill -STOP $(pidof pppd); ip link set ppp0 down");
    await until(
      "it is noticed",
      async () => /answers no Echo-Request/.test(await appliance.process.log()),
    );
  } finally {
    await lab.tryGuest("kill -CONT $(pidof pppd)");
    await stopXl2tpdInGuest(lab);
  }
  await until("the address is free", async () => {
    const { rows } = await appliance.get<{ rows: Record<string, unknown>[] }>("/v1/views/pool");
    return rows.find(({ name }) => name === "main")!["used"] === 1;
  });
});

test("pppd is challenged again and again by chap-interval, and its packets pass meanwhile; compression is rejected", async (lab) => {
  for (const refused of ["refuse-mschap-v2", "refuse-chap"]) {
    await using appliance = await startLns(lab, { more: "        chap-interval: 1" });
    const compresses = ["deflate 15,15", "bsdcomp 12,12"];
    await dial(lab, { more: ["refuse-pap", "refuse-mschap", refused, ...compresses] });
    try {
      await untilPppd(lab, /remote IP address/);
      // CCP (RFC 1962), which we do not speak: a Protocol-Reject of 80FD.
      await untilPppd(lab, /sent \[CCP ConfReq/);
      await untilPppd(lab, /rcvd \[LCP ProtRej id=\S+ 80 fd/);
      const challenges = /(?:rcvd \[CHAP Challenge[^]*){4}/;
      const [sent] = await Promise.all([ping(lab, "10.64.0.2"), untilPppd(lab, challenges)]);
      assertNoLoss(sent, "while it is challenged");
      await untilPppd(lab, /(?:rcvd \[CHAP Success[^]*){3}/);
      const [row] = await sessionsOf(appliance);
      assert.equal(row!["circuit-state"]!["stage"], "up");
    } finally {
      await stopXl2tpdInGuest(lab);
    }
  }
});

test("LCP negotiated anew on an open link: pppd logs in again, in the same session and with the same address", async (lab) => {
  await using appliance = await startLns(lab);
  await dial(lab);
  try {
    await untilPppd(lab, /remote IP address/);
    const { sessions: [before] } = await appliance.get<{ sessions: Ids[] }>("/v1/sessions");
    // A Configure-Request with a number that is not pppd's, as of a line whose other end was reset.
    await lab.guest(injection, ...[before!["tunnel-id"], before!["session-id"]].map(String));
    await untilPppd(lab, /(?:CHAP authentication succeeded[^]*){2}/);
    await until(
      "it is up again",
      async () => (await sessionsOf(appliance))[0]?.["circuit-state"]?.["stage"] === "up",
    );
    await until("packets pass", () => reaches(lab, "10.64.0.2"));
    const { sessions: [after] } = await appliance.get<{ sessions: Ids[] }>("/v1/sessions");
    assert.deepEqual([after!["tunnel-id"], after!["session-id"]], [
      before!["tunnel-id"],
      before!["session-id"],
    ]);
  } finally {
    await stopXl2tpdInGuest(lab);
  }
});

interface Ids {
  readonly "tunnel-id": number;
  readonly "session-id": number;
}

/** Sends an LCP Configure-Request from xl2tpd's own port into the tunnel and session of its arguments. */
const injection = `python3 - "$1" "$2" <<'END'
import socket, struct, sys
lcp = bytes.fromhex("ff03c0210177000a050612345678")
l2tp = struct.pack("!HHH", 2, int(sys.argv[1]), int(sys.argv[2])) + lcp
udp = struct.pack("!HHHH", 1701, 1701, 8 + len(l2tp), 0) + l2tp
ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, socket.inet_aton("10.77.0.2"), socket.inet_aton("10.77.0.1"))
socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW).sendto(ip + udp, ("10.77.0.1", 0))
END`;
