/** What an independent oracle says of captured packets. @module */

import assert from "node:assert/strict";
import type { EncapType } from "../../../core/pseudowire.ts";
import { output } from "./process.ts";

/** How the data packets in a capture are laid out. */
export interface Layout {
  readonly encap: EncapType;
  /** UDP ports of the tunnel. */
  readonly ports: readonly number[];
  readonly sublayer: boolean;
  readonly cookieBytes: 0 | 4 | 8;
  /** The outer UDP checksum is left to a driver behind the capture: only those inside are looked at. */
  readonly unfinished?: boolean;
}

/**
 * Asserts that tshark finds every checksum right, outside and inside, and nothing malformed, in a file with more than
 * `least` full segments of TCP.
 */
export async function assertSound(file: string, layout: Layout, least = 200): Promise<void> {
  const { cookieBytes, encap, ports, sublayer, unfinished } = layout;
  const options = [
    ...["ip", "tcp", "udp"].map((name) => `${name}.check_checksum:TRUE`),
    `l2tp.cookie_size:${cookieBytes === 0 ? "None" : `${cookieBytes} Byte Cookie`}`,
    `l2tp.l2_specific:${sublayer ? "Default L2-Specific" : "None"}`,
  ].flatMap((option) => ["-o", option]);
  const decode = ["-d", "l2tp.pw_type==0,eth"];
  for (const port of encap === "udp" ? ports : []) decode.push("-d", `udp.port==${port},l2tp`);
  const count = async (filter: string) => {
    const argv = ["tshark", "-n", "-r", file, ...options, ...decode, "-Y", filter];
    return (await output([...argv, "-T", "fields", "-e", "frame.number"])).split("\n").length - 1;
  };
  const seen = await count("l2tp && tcp.checksum.status == 1 && tcp.len > 1000");
  assert(seen > least, `${seen} full segments were captured`);
  const inner = unfinished && encap === "udp" ? "#2" : "";
  const wrong = ["ip.checksum.status", "tcp.checksum.status", `udp.checksum.status${inner}`]
    .map((field) => `${field} == 0`);
  assert.equal(await count(`${wrong.join(" || ")} || _ws.malformed`), 0);
}
