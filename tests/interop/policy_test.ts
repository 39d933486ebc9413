/**
 * What a session's frames are held to, as traffic sees it: a rate limit on what comes from the peer, and the segment size
 * that TCP is told of.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { makePair, type Pair } from "./support/place.ts";
import { say, suite } from "./support/suite.ts";
import { iperfBetween } from "./support/traffic.ts";
import { type Cell, config, inner } from "./support/two_ends.ts";

const base = { encap: "udp", family: 4, seq: false } as const;
const cells: readonly Cell[] = [
  { ...base, index: 1, title: "limited", options: "rate-limit: { rx: 8000 }" },
  { ...base, index: 2, title: "a number", options: "mss-clamp: 1200" },
  { ...base, index: 3, title: "what fits", options: "mss-clamp: auto" },
  { ...base, index: 4, title: "as it is" },
  // Either end takes the other's own address and one more, which is the other end's: each is right at one end.
  { ...base, index: 5, title: "a source", options: "source-check: { ipv4: 10.100.5.1 }" },
];

interface Context {
  readonly pair: Pair;
  readonly far: Appliance;
}

const both = suite<Context>(
  import.meta.url,
  ["root", "tun", "ip", "ethtool", "iperf3", "tcpdump"],
  async (stack) => {
    const pair = stack.use(await makePair());
    stack.use(await startAppliance(pair.here, (socket) => config(cells, 1, socket)));
    const far = stack.use(
      await startAppliance(pair.there, (socket) => config(cells, 2, socket)),
    );
    return { pair, far };
  },
);

both.test("no more passes than the limit lets pass, and what does not is counted", async ({ pair, far }) => {
  const [address] = inner(1, 2)[0].split("/");
  const load = ["-u", "-b", "40M", "-t", "2", "-l", "1000"];
  const { bitsPerSecond, packets, lost } = await iperfBetween(
    ...[pair.here, pair.there, "-c", address!, ...load] as const,
  );
  const { statistics } = await far.session("t1");
  const { drops } = await far.datapath();
  say(`  8 Mbit/s asked, ${(bitsPerSecond / 1e6).toFixed(1)} came; ${lost} of ${packets} dropped`);
  // The burst of 64 KiB comes on top, and headers count too.
  assert(packets - lost < 2 * 1200 + 200, `${packets - lost} datagrams came`);
  assert(packets - lost > 500);
  assert(drops["rate-limited"]! > 1000);
  assert.equal(statistics["rx-errors"], drops["rate-limited"]);
});

for (const [cell, expected] of [[2, 1200], [3, undefined], [4, undefined]] as const) {
  both.test(`a SYN asks for the segments that it may: ${cells[cell - 1]!.title}`, async ({ pair, far }) => {
    const [address] = inner(cell, 2)[0].split("/");
    // A path that both devices know to be shorter than what TCP would ask for here.
    await pair.here.here("ip", "link", "set", `tap${cell}`, "mtu", "1500");
    const filter = ["tcp[tcpflags] & tcp-syn != 0 and dst port 9"];
    await using capture = pair.there.background(
      ...[
        "tcpdump",
        "tcpdump",
        "-l",
        "-n",
        "-v",
        "-c",
        "1",
        "-i",
        `tap${cell}`,
        ...filter,
      ] as const,
    );
    let seen: string | undefined;
    for (let tries = 0; tries < 50 && seen === undefined; tries++) {
      await pair.here.tryHere(["bash", "-c", `exec 3<>/dev/tcp/${address}/9`]);
      seen = /mss (\d+)/.exec(await capture.log())?.[1];
      if (seen === undefined) await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const { mtu } = await far.session(`t${cell}`);
    const asked = cell === 4 ? 1460 : expected ?? mtu! - 40;
    assert.equal(Number(seen), asked);
  });
}

both.test("a peer whose frames are not from the source that it may have is not heard, and that is counted", async ({ far, pair }) => {
  const before = (await far.datapath()).drops["source-mismatch"] ?? 0;
  // There, this end's address is the right one; here, that end's own is not.
  await pair.here.tryHere(["ping", "-q", "-c", "3", "-i", "0.2", "-W", "1", "10.100.5.2"]);
  const { statistics } = await far.session("t5");
  assert(statistics["rx-packets"]! > 0, "ARP and echo requests from the right source");
  const heard = statistics["rx-packets"]!;
  await pair.here.here("ip", "addr", "add", "10.100.5.7/24", "dev", "tap5");
  await pair.here.tryHere(
    ["ping", "-q", "-c", "3", "-i", "0.2", "-W", "1", "-I", "10.100.5.7", "10.100.5.2"],
  );
  const after = (await far.datapath()).drops["source-mismatch"] ?? 0;
  assert(after - before >= 1, `${after - before} frames of a stranger`);
  assert.equal((await far.session("t5")).statistics["rx-packets"], heard);
});
