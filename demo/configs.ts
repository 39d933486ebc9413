/** The two appliances' configuration files. @module */

import type { Namespaces } from "./namespaces.ts";

/** Both files' texts, and what to ping from the left namespace. */
export interface DemoConfigs {
  readonly left: string;
  readonly right: string;
  readonly targets: readonly { readonly name: string; readonly address: string }[];
}

/** One end of the demo. */
interface End {
  readonly underlay: string;
  readonly peer: string;
  /** 1 or 2: which end this is; the last figure of its addresses and ids. */
  readonly me: 1 | 2;
  readonly namespace?: string;
}

/** Loopback addresses that nobody else listens on. */
const LEFT = "127.77.0.1";
const RIGHT = "127.77.0.2";

/** @param directory where the admin endpoints' sockets shall be */
export function configs(spaces: Namespaces, directory: string): DemoConfigs {
  const netns = (side: "left" | "right") => spaces.available ? { namespace: spaces[side] } : {};
  const left: End = { underlay: LEFT, peer: RIGHT, me: 1, ...netns("left") };
  const right: End = { underlay: RIGHT, peer: LEFT, me: 2, ...netns("right") };
  return {
    left: config(left, `unix:${directory}/left.sock`),
    right: config(right, `unix:${directory}/right.sock`),
    targets: spaces.available
      ? [{ name: "UDP", address: "192.168.71.2" }, {
        name: "IP protocol 115",
        address: "192.168.72.2",
      }]
      : [],
  };
}

function config(end: End, admin: string): string {
  const raw = end.namespace !== undefined;
  return [
    `listen: [{ udp: "${end.underlay}:1701" }${raw ? `, { ip: "${end.underlay}" }` : ""}]`,
    `admin: { listen: "${admin}" }`,
    "log: { level: warn }",
    "tunnels:",
    tunnel(
      "over-udp",
      end,
      10,
      "udp",
      ":1701",
      `cookie: "${cookie(end.me)}", peer-cookie: "${cookie(3 - end.me)}", seq: both`,
    ),
    ...(raw ? [tunnel("over-ip", end, 20, "ip", "", "l2spec-type: none")] : []),
    "",
  ].join("\n");
}

function tunnel(
  name: string,
  end: End,
  base: number,
  encap: string,
  port: string,
  session: string,
): string {
  const [mine, theirs] = [base + end.me, base + 3 - end.me];
  return `  ${name}:
    static: { tunnel-id: ${mine}, peer-tunnel-id: ${theirs} }
    encap: ${encap}
    local: "${end.underlay}${port}"
    remote: "${end.peer}${port}"
    sessions:
      office: { session-id: ${mine * 10}, peer-session-id: ${theirs * 10}, ${session}, circuit: ${
    circuit(end, encap)
  } }`;
}

function circuit({ me, namespace }: End, encap: string): string {
  const network = encap === "udp" ? 71 : 72;
  const address = `192.168.${network}.${me}/24`;
  if (namespace === undefined) {
    return `{ probe: { address: ${address}, ping: 192.168.${network}.${3 - me} } }`;
  }
  return `{ tap: { name: office-${encap}, netns: ${namespace}, addresses: [${address}] } }`;
}

function cookie(end: number): string {
  return String(end).repeat(16);
}
