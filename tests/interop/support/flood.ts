/** Sends {@linkcode malformed} datagrams as a tunnel's peer: `deno run -A flood.ts PLAN`. Says how many it sent. */

import type { Endpoint } from "../../../core/endpoint.ts";
import { openLibc } from "../../../edge/io/libc.ts";
import { openIpSocket, openUdpSocket } from "../../../edge/io/sockets.ts";
import { malformed, type Target } from "./malformed.ts";
import { sleep } from "./process.ts";

/** What to send, and between which addresses. */
export interface FloodPlan {
  readonly seed: number;
  readonly count: number;
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly target: Target;
}

/** So many at a time, then a pause of a millisecond: no queue on the way shall overflow, every one shall arrive. */
const burst = 32;

async function flood({ seed, count, from, to, target }: FloodPlan): Promise<number> {
  using libc = openLibc();
  const open = target.encap === "udp" ? openUdpSocket : openIpSocket;
  const { fd } = open(libc, { local: from, remote: to });
  let sent = 0;
  for (const datagram of malformed(seed, count, target)) {
    libc.check(
      libc.call.send(fd, Uint8Array.from(datagram), BigInt(datagram.length), 0),
      "send",
      `send datagram ${sent}`,
    );
    if (++sent % burst === 0) await sleep(1);
  }
  libc.call.close(fd);
  return sent;
}

if (import.meta.main) {
  const sent = await flood(JSON.parse(Deno.args[0]!));
  Deno.stdout.writeSync(new TextEncoder().encode(`${sent}\n`));
}
