/**
 * Hundreds of TAPs leave at once, which takes the kernel its time for each: other sessions' pings go on meanwhile. It
 * prints how long those took; what is asserted is ten times what anybody may wait.
 */

import assert from "node:assert/strict";
import { checkedFetch } from "../../edge/admin/promised.ts";
import { pinging } from "../bench/pinging.ts";
import { root } from "./support/appliance.ts";
import { output, sleep, start, until } from "./support/process.ts";
import { say, suite } from "./support/suite.ts";

const TAPS = 300;
const token = "a-token-for-tap-removal";

const { test } = suite<{ readonly folder: string; readonly netns: string }>(
  import.meta.url,
  ["root", "tun", "ip"],
  async (stack) => {
    const folder = await Deno.makeTempDir({ prefix: "isthmus-interop-" });
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    const netns = `isthmus-${Deno.pid}-taps`;
    await output(["ip", "netns", "add", netns]);
    stack.defer(async () => void await output(["ip", "netns", "del", netns]));
    return { folder, netns };
  },
);

test("pings of another session go on while hundreds of TAPs are removed", async ({ folder, netns }) => {
  await using pings = await pinging();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const admin = `127.0.0.1:${listener.addr.port}`;
  listener.close();
  const file = `${folder}/isthmus.yaml`;
  const write = (taps: number) =>
    Deno.writeTextFile(
      file,
      `admin: { listen: "${admin}", token: ${token} }
listen: [{ udp: "127.0.0.1:${pings.port}" }]
tunnels:${pings.tunnel}
  many:
    static: { tunnel-id: 2, peer-tunnel-id: 2 }
    encap: udp
    local: 127.0.0.1:${pings.port}
    remote: 127.0.0.1:9
    sessions: {${Array.from({ length: taps }, (_, i) => tap(i, netns)).join(",")}}
`,
    );
  await write(TAPS);
  const argv = [Deno.execPath(), "run", "-A", `${root}edge/main.ts`, "run", "--config", file];
  await using appliance = start(argv, `${folder}/log`);
  const devices = async () =>
    (await output(["ip", "-n", netns, "-o", "link"])).match(/: tap\d+:/g)?.length ?? 0;
  await until("all TAPs are there", async () => await devices() === TAPS, 60_000);
  await pings.answered();

  await sleep(1000);
  const quiet = pings.take();
  await write(0);
  const began = performance.now();
  const response = await checkedFetch(`http://${admin}/v1/reload?force=true`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
  });
  assert.equal(response.status, 200, await response.text());
  const seconds = (performance.now() - began) / 1000;
  await until("no TAP is left", async () => await devices() === 0, 60_000);
  await sleep(200);
  const meanwhile = pings.take();

  const slowest = (all: readonly number[]) => Math.max(...all).toFixed(1);
  say(
    `removing ${TAPS} TAPs took ${
      seconds.toFixed(1)
    } s; the slowest of ${meanwhile.length} pings meanwhile ` +
      `${slowest(meanwhile)} ms, before it ${slowest(quiet)} ms`,
  );
  assert.ok(meanwhile.length > 20, `${meanwhile.length} pings`);
  assert.ok(Math.max(...meanwhile) < 3000, `${slowest(meanwhile)} ms`);
  assert.equal(appliance.exitCode(), undefined, await appliance.log());
});

function tap(i: number, netns: string): string {
  return `
      s${i}: { session-id: ${i + 1000}, peer-session-id: ${
    i + 1000
  }, circuit: { tap: { name: tap${i}, netns: ${netns} } } }`;
}
