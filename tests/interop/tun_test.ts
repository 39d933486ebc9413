/**
 * TUN ports with frames through them: two of them, in a namespace each, joined in the datapath. IP packets of both
 * families cross, by super-frames where the kernels make them, and with routes and addresses that the ports brought.
 */

import assert from "node:assert/strict";
import { startDatapath } from "../../edge/datapath/client.ts";
import { openLibc } from "../../edge/io/libc.ts";
import { openTaps, type TapDevice } from "../../edge/io/tap_device.ts";
import { output } from "./support/process.ts";
import { type Place, placeIn } from "./support/place.ts";
import { say, suite } from "./support/suite.ts";
import { assertNoLoss, iperfBetween, ping } from "./support/traffic.ts";
import type { Datapath } from "../../edge/datapath/datapath.ts";
import type { Offload } from "../../plugins/plugin.ts";

interface Context {
  readonly ends: readonly [Place, Place];
  readonly datapath: Datapath;
  /** Joins a TUN of each end; what is given back parts and closes them. */
  join(offload: Offload): Promise<AsyncDisposable>;
}

const { test } = suite<Context>(
  import.meta.url,
  ["root", "tun", "ip", "ping", "iperf3"],
  async (stack) => {
    const folder = await Deno.makeTempDir({ prefix: "isthmus-interop-" });
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    const places: Place[] = [];
    for (const end of [1, 2]) {
      const place = placeIn(`isthmus-${Deno.pid}-tun${end}`, folder);
      await output(["ip", "netns", "add", place.namespace]);
      stack.defer(async () => void await output(["ip", "netns", "del", place.namespace]));
      await place.here("ip", "link", "set", "lo", "up");
      places.push(place);
    }
    const libc = stack.use(openLibc());
    const taps = stack.use(openTaps(libc));
    const datapath = stack.use(await startDatapath());
    const open = (end: number, offload: Offload): TapDevice =>
      taps.open({
        name: "tun0",
        netns: places[end - 1]!.namespace,
        mtu: 1400,
        addresses: [`10.90.${end}.1/32`, `fd90:${end}::1/128`],
        routes: [`10.90.${3 - end}.0/24`, `fd90:${3 - end}::/64`],
        offload,
      }, "tun");
    const join = async (offload: Offload): Promise<AsyncDisposable> => {
      await using parts = new AsyncDisposableStack();
      const ports = [];
      for (const end of [1, 2]) {
        const { fd, vnet, release } = open(end, offload);
        const gone = () => {};
        const port = await datapath.addDevice(fd, { frames: "ip", ...(vnet && { vnet }) }, gone);
        parts.defer(() => release(false));
        parts.defer(() => datapath.removePort(port));
        ports.push(port);
      }
      await datapath.crossConnect(ports[0]!, ports[1]!);
      return parts.move();
    };
    return { ends: [places[0]!, places[1]!], datapath, join };
  },
);

/** What each of a TUN's tricks leaves of super-frames: taken from it, made for it. */
const modes: readonly (readonly [string, Offload, boolean])[] = [
  ["all that the kernel has", {}, true],
  ["no super-frames, unfinished checksums", { gso: false, gro: false }, false],
  ["plain frames", { vnet: false }, false],
];

for (const [title, offload, whole] of modes) {
  test(`IP packets of both families cross between two TUNs: ${title}`, async (context) => {
    const { datapath, ends: [here, there] } = context;
    await using _ = await context.join(offload);
    const before = await datapath.stats();
    for (const address of ["10.90.2.1", "fd90:2::1"]) {
      assertNoLoss(await ping(here, address), `to ${address}`);
      const forth = await iperfBetween(here, there, "-c", address, "-n", "64M");
      const back = await iperfBetween(here, there, "-c", address, "-n", "64M", "-R");
      say(
        `  ${address}: ${
          [forth, back].map((r) => Math.round(r.bitsPerSecond / 1e6)).join(", ")
        } Mbit/s`,
      );
    }
    const after = await datapath.stats();
    const taken = after.io["rx-super-frames"]! - before.io["rx-super-frames"]!;
    assert.equal(taken > 100, whole, `${taken} super-frames`);
    for (const reason of ["device-refused", "bad-offload", "malformed", "frame-type-mismatch"]) {
      assert.equal(after.drops[reason] ?? 0, before.drops[reason] ?? 0, reason);
    }
    for (const place of [here, there]) {
      const text = await place.here("nstat", "-asz", "TcpInCsumErrors", "IpInHdrErrors");
      assert.doesNotMatch(text, /Errors +[1-9]/);
    }
  });
}
