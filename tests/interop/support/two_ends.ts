/** Two appliances, one at each end of a {@linkcode Pair}'s wire, with a TAP at each end of their pseudowires. @module */

import type { EncapType } from "../../../core/pseudowire.ts";

/** A pseudowire between them. */
export interface Cell {
  readonly index: number;
  readonly title: string;
  readonly encap: EncapType;
  readonly family: 4 | 6;
  readonly seq: boolean;
  /** Lines of the session at both ends. */
  readonly options?: string;
}

/** The configuration of one end: 1 here, 2 there. */
export function config(cells: readonly Cell[], end: 1 | 2, adminSocket: string): string {
  const peer = 3 - end;
  const tunnels = cells.map(({ index, encap, family, seq, options = "" }) => {
    const at = (end: number) => {
      const address = family === 4 ? `10.77.0.${end}` : `fd77::${end}`;
      if (encap === "ip") return address;
      return family === 4 ? `${address}:170${index}` : `[${address}]:170${index}`;
    };
    return `  t${index}:
    static: { tunnel-id: ${10 * index + end}, peer-tunnel-id: ${10 * index + peer} }
    encap: ${encap}
    local: "${at(end)}"
    remote: "${at(peer)}"
    sessions:
      s:
        session-id: ${100 * index + end}
        peer-session-id: ${100 * index + peer}
        l2spec-type: ${seq ? "default" : "none"}
        cookie: "00112233"
        peer-cookie: "00112233"
${seq ? "        seq: both\n        reorder-timeout: 20\n" : ""}\
${options && `        ${options}\n`}\
        circuit: { tap: { name: tap${index}, addresses: [${inner(index, end).join(", ")}] } }`;
  });
  return `admin: { listen: "unix:${adminSocket}" }\ntunnels:\n${tunnels.join("\n")}\n`;
}

/** The addresses of an end's TAP. */
export function inner(index: number, end: number): readonly [string, string] {
  return [`10.100.${index}.${end}/24`, `fd00:${index}::${end}/64`];
}
