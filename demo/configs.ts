/** The appliances' configuration files. @module */

import type { Namespaces } from "./namespaces.ts";

/** The files' texts, and what to ping from the left namespace. */
export interface DemoConfigs {
  readonly left: string;
  readonly right: string;
  /** A subscriber of the left one; absent: there are no namespaces. */
  readonly home?: string;
  readonly targets: readonly { readonly name: string; readonly address: string }[];
}

/** The file of the right end's subscribers. */
export const USERS = "subscriber: { password: a demo }\n";

/** One end of the demo. */
interface End {
  readonly underlay: string;
  readonly peer: string;
  /** 1 or 2: which end this is; the last figure of its addresses and ids. */
  readonly me: 1 | 2;
  readonly namespace?: string;
  /** Where the left end's subscribers are. */
  readonly street?: string;
  /** Where the demo's files are. */
  readonly directory: string;
}

/** Loopback addresses that nobody else listens on. */
const LEFT = "127.77.0.1";
const RIGHT = "127.77.0.2";

/** @param directory where the admin endpoints' sockets shall be */
export function configs(spaces: Namespaces, directory: string): DemoConfigs {
  const netns = (side: "left" | "right") => spaces.available ? { namespace: spaces[side] } : {};
  const street = spaces.available ? { street: spaces.street } : {};
  const left: End = { underlay: LEFT, peer: RIGHT, me: 1, directory, ...netns("left"), ...street };
  const right: End = { underlay: RIGHT, peer: LEFT, me: 2, directory, ...netns("right") };
  return {
    left: config(left, `unix:${directory}/left.sock`),
    right: config(right, `unix:${directory}/right.sock`),
    ...(spaces.available && { home: home(spaces.left, `unix:${directory}/home.sock`) }),
    targets: spaces.available
      ? [{ name: "UDP", address: "192.168.71.2" }, {
        name: "IP protocol 115",
        address: "192.168.72.2",
      }, {
        name: "PPPoE to the left one, a LAC, and on over L2TPv2 to the right one, the LNS",
        address: "10.99.0.1",
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
    ...(raw ? [end.me === 1 ? lac(end) : lns(end)] : []),
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
    ...(raw && end.me === 1
      ? [
        `  to-lns: { peer: lns, mode: on-demand, local: "${end.underlay}:1701", remote: "${end.peer}:1701" }`,
      ]
      : []),
    "",
  ].join("\n");
}

/** A subscriber, at the left end's cable: it dials PPPoE. */
function home(namespace: string, admin: string): string {
  return `admin: { listen: "${admin}" }
log: { level: warn }
circuits:
  wan:
    ppp:
      client:
        tun: { name: wan0, netns: ${namespace} }
        user: subscriber
        secret: a demo
        routes: [10.99.0.0/24]
        ipv6: false
pppoe:
  clients:
    line: { interface: uplink, netns: ${namespace}, circuit: wan, retry: 0.2 }
`;
}

/** The left end carries its subscribers' sessions to the right one. */
function lac({ street }: End): string {
  return `peers: { lns: { proto-version: 2 } }
pppoe:
  access:
    street: { interface: street, netns: ${street}, lac: { servers: [{ peer: lns }] } }`;
}

/** The right end terminates it. */
function lns({ directory, namespace }: End): string {
  return `peers: { lac: { proto-version: 2, accept: [{ circuit: lns }] } }
ppp:
  aaa: { users: "${directory}/users.yaml" }
  pools: { subscribers: { ranges: [10.99.0.0/24] } }
circuits:
  lns:
    ppp:
      terminate:
        tun: { name: subscribers, netns: ${namespace} }
        address: 10.99.0.1
        pools: [subscribers]`;
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
