/** Tunnels and sessions come, change and go, by curl and by the command line, while iperf3 runs over another tunnel: it loses nothing. */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { addKernelEnds, kernelCounters } from "./support/kernel.ts";
import { bootLab, type Lab, wire, withoutIpv6 } from "./support/lab.ts";
import { socketOverruns } from "./support/losses.ts";
import { output, until } from "./support/process.ts";
import { config, derived, type Pseudowire } from "./support/pseudowire.ts";
import { say, suite } from "./support/suite.ts";
import { assertNoLoss, iperf, type IperfResult, ping } from "./support/traffic.ts";

/**
 * Index 1 carries iperf3; 2 is made by curl, 3 on the command line. These two come and go here and stay at the kernel, so
 * they carry no numbers: ours begin at 0 each time.
 */
/** Each time the same, so that the kernel's ARP cache stays right. */
const mac = "02:00:00:00:00:02";
const [busy, byCurl, byCli] = [pseudowire(1, true), pseudowire(2, false), pseudowire(3, false)];

function pseudowire(index: number, seq: boolean): Pseudowire {
  return {
    index,
    encap: "udp",
    here: { address: wire.here.ip4, port: 1701 },
    there: { address: wire.guest.ip4, port: 1800 + index },
    l2spec: "default",
    cookie: "0011223344556677",
    peerCookie: "8899aabbccddeeff",
    seq,
  };
}

interface Context {
  readonly lab: Lab;
  readonly appliance: Appliance;
}

const live = suite<Context>(
  import.meta.url,
  ["root", "tun", "lab", "ip", "ping", "iperf3", "curl", "perl"],
  async (stack) => {
    const lab = stack.use(await bootLab());
    await withoutIpv6(lab);
    // The guest has a slow processor that others share; its receiver shall not be what loses datagrams.
    await lab.guest(
      "for f in rmem_max rmem_default; do echo 67108864 > /proc/sys/net/core/$f; done",
    );
    const appliance = stack.use(
      await startAppliance(
        lab,
        (socket) => config([busy], `{ udp: "${wire.here.ip4}:1701" }`, socket),
      ),
    );
    await addKernelEnds(lab, [busy, byCurl, byCli]);
    return { lab, appliance };
  },
);

live.test("curl creates, modifies and deletes a tunnel and a session; the other loses nothing", (context) =>
  whileBusy(context, () => withCurl(context)));

live.test("so does the command line", (context) => whileBusy(context, () => withCli(context)));

live.test("so does a reload", (context) =>
  whileBusy(context, async () => {
    const { lab, appliance } = context;
    const before = await Deno.readTextFile(appliance.file);
    const listen = `{ udp: "${wire.here.ip4}:1701" }`;
    const text = config([busy, byCurl], listen, appliance.adminSocket);
    await Deno.writeTextFile(appliance.file, text);
    appliance.process.kill("SIGHUP");
    await until("the added tunnel is there", () =>
      appliance.session(derived(byCurl).tunnel).then(() => true, () => false));
    assertNoLoss(await ping(lab, derived(byCurl).there4, "-c", "1"), "the added pseudowire");
    await Deno.writeTextFile(appliance.file, before);
    const { code, stdout, stderr } = await appliance.cli("reload");
    assert.equal(code, 0, stdout + stderr);
    await assert.rejects(appliance.session(derived(byCurl).tunnel), /404/);
  }));

/**
 * Runs `changes` over and over while iperf3 sends UDP over the busy pseudowire, there and back, and asserts that all of
 * it crossed: by the numbers in the datagrams, by those in the frames, and by the counters of both ends.
 */
async function whileBusy(context: Context, changes: () => Promise<void>): Promise<void> {
  for (const direction of ["to", "from"] as const) {
    const receiver = direction === "to" ? "guest" : "here";
    const before = await socketOverruns(context.lab, receiver);
    const [result, rounds] = await whileSending(context, direction, changes);
    const overrun = await socketOverruns(context.lab, receiver) - before;
    say(
      `  ${direction} the kernel: ${result.packets} datagrams, ${result.lost} lost ` +
        `(${overrun} by a slow receiver), ${rounds} rounds of changes`,
    );
    assert(result.packets > 1000);
    assert.equal(result.lost, overrun, "none lost on the way");
    assert.equal(result.outOfOrder, 0);
    await assertAllCrossed(context);
  }
}

async function whileSending(
  { lab }: Context,
  direction: "to" | "from",
  changes: () => Promise<void>,
): Promise<[IperfResult, number]> {
  const options = ["-c", derived(busy).there4, "-u", "-b", "8M", "-l", "1200", "-t", "5"];
  let running = true;
  const run = iperf(lab, ...options, ...(direction === "from" ? ["-R"] : []))
    .finally(() => running = false);
  const repeat = async () => {
    let rounds = 0;
    do {
      await changes();
      rounds++;
    } while (running);
    return rounds;
  };
  return await Promise.all([run, repeat()]);
}

async function assertAllCrossed({ lab, appliance }: Context): Promise<void> {
  const { tunnel, peerSessionId } = derived(busy);
  const read = async () => {
    const { statistics } = await appliance.session(tunnel);
    return { statistics, kernel: (await kernelCounters(lab)).get(peerSessionId)! };
  };
  // A kernel may say something by itself between the two readings.
  await until("each end has what the other one sent", async () => {
    const { kernel, statistics } = await read();
    return kernel["rx-packets"] === statistics["tx-packets"] &&
      statistics["rx-packets"] === kernel["tx-packets"];
  });
  const { kernel, statistics } = await read();
  for (const name of ["rx-seq-discards", "rx-oos-packets", "rx-errors", "tx-errors"] as const) {
    assert.equal(statistics[name], 0, `our ${name}`);
    assert.equal(kernel[name], 0, `the kernel's ${name}`);
  }
}

async function withCurl({ lab, appliance }: Context): Promise<void> {
  const { tunnel, tap, tunnelId, peerTunnelId, sessionId, peerSessionId, here4, there4 } = derived(
    byCurl,
  );
  const curl = (method: string, path: string, body?: unknown) =>
    output([
      ...["curl", "-sS", "--fail-with-body", "--unix-socket", appliance.adminSocket],
      ...["-X", method, `http://localhost/v1/tunnels${path}`],
      ...(body === undefined
        ? []
        : ["-H", "content-type: application/json", "-d", JSON.stringify(body)]),
    ]);
  await curl("POST", "", {
    "name": tunnel,
    "tunnel-id": tunnelId,
    "peer-tunnel-id": peerTunnelId,
    "encap-type": "udp",
    "ip-saddr": byCurl.here.address,
    "udp-sport": byCurl.here.port,
    "ip-daddr": byCurl.there.address,
    "udp-dport": 9,
  });
  await curl("PATCH", `/${tunnel}`, { "udp-dport": byCurl.there.port });
  await curl("POST", `/${tunnel}/sessions`, {
    "name": "s",
    "session-id": sessionId,
    "peer-session-id": peerSessionId,
    "cookie": byCurl.cookie,
    "peer-cookie": "0000000000000000",
    "circuit": { tap: { name: tap, addresses: [`${here4}/24`] } },
  });
  await curl("PATCH", `/${tunnel}/sessions/s`, { "peer-cookie": byCurl.peerCookie });
  assertNoLoss(await ping(lab, there4, "-c", "1"), "the new pseudowire");
  // The kernel's device may have spoken by itself (ARP) while we still asked for the other cookie.
  assert.match(await curl("GET", `/${tunnel}/sessions/s`), /"rx-cookie-discards":[01],/);
  await curl("DELETE", `/${tunnel}/sessions/s`);
  await curl("DELETE", `/${tunnel}`);
}

async function withCli({ lab, appliance }: Context): Promise<void> {
  const { tunnel, tap, tunnelId, peerTunnelId, sessionId, peerSessionId, here4, there4 } = derived(
    byCli,
  );
  const isthmus = async (words: string) => {
    const { code, stdout, stderr } = await appliance.cli(...words.split(" "));
    assert.equal(code, 0, `isthmus ${words}: ${stdout}${stderr}`);
    return stdout;
  };
  await isthmus(
    `add tunnel name ${tunnel} tunnel-id ${tunnelId} peer-tunnel-id ${peerTunnelId} encap udp ` +
      `local ${byCli.here.address} remote ${byCli.there.address} udp-sport ${byCli.here.port} udp-dport 9`,
  );
  await isthmus(`set tunnel name ${tunnel} udp-dport ${byCli.there.port}`);
  await isthmus(
    `add session tunnel ${tunnel} name s session-id ${sessionId} peer-session-id ${peerSessionId} ` +
      `cookie ${byCli.cookie} peer-cookie ${byCli.peerCookie} tap ${tap} mac ${mac} ` +
      `address ${here4}/24`,
  );
  await isthmus(`set session tunnel ${tunnel} name s reorder-timeout 100`);
  assertNoLoss(await ping(lab, there4, "-c", "1"), "the new pseudowire");
  assert.match(await isthmus("show session"), new RegExp(tap));
  await isthmus(`del session tunnel ${tunnel} name s`);
  await isthmus(`del tunnel name ${tunnel}`);
}
