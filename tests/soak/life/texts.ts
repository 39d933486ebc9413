/** The configurations of the soak. @module */

/** Programs of others that take part. */
interface With {
  readonly xl2tpd: boolean;
  readonly l2tpns: boolean;
}

/** How many subscribers come in by PPPoE. */
export const homes = 60;
/** How many calls of PPP the peer that is killed places. */
export const rashUsers = 10;

/** So that a peer that is killed is noticed within seconds. */
const quick = "hello: 2, retransmit: 0.5, attempts: 5, call-timeout: 20";

const crowdPlugin = new URL("../../interop/support/crowd.ts", import.meta.url).pathname;

/** Static pseudowires between the two that live: by their name, what they run over. */
export const statics = {
  udp4: { encap: "udp", at: (end: number) => `10.77.0.${end}:1711`, seq: true },
  udp6: { encap: "udp", at: (end: number) => `[fd77::${end}]:1712`, seq: false },
  ip4: { encap: "ip", at: (end: number) => `10.77.0.${end}`, seq: true },
  ip6: { encap: "ip", at: (end: number) => `fd77::${end}`, seq: false },
} as const;

/** The static tunnels of one end, 1 or 3; the other is 4 less it. */
function staticTunnels(end: 1 | 3): string {
  return Object.entries(statics).map(([name, { at, encap, seq }], index) => {
    const id = (end: number) => 10 * (index + 1) + end;
    return `  ${name}:
    static: { tunnel-id: ${id(end)}, peer-tunnel-id: ${id(4 - end)} }
    encap: ${encap}
    local: "${at(end)}"
    remote: "${at(4 - end)}"
    sessions:
      s:
        session-id: ${1000 + id(end)}
        peer-session-id: ${1000 + id(4 - end)}
        cookie: "00112233"
        peer-cookie: "00112233"
${seq ? "        seq: both\n        reorder-timeout: 20\n" : ""}\
        circuit: { tap: { name: s-${name}, addresses: [10.90.${index}.${end}/24] } }
      switched:
        session-id: ${2000 + id(end)}
        peer-session-id: ${2000 + id(4 - end)}
        circuit: ${
      end === 1
        ? `{ switch: { switch: lan, tag: ${10 + index} } }`
        : `{ tap: { name: w-${name}, addresses: [10.91.${index}.3/24] } }`
    }`;
  }).join("\n");
}

/**
 * The appliance that is looked at. What a reload changes, depends on `variant` (0, 1, 2): tunnels come and go and change
 * beside those that stay.
 */
export function edgeText(folder: string, present: With, variant: number) {
  return (adminSocket: string) => `
host-name: edge
router-id: 10.77.0.1
listen: [{ udp: "10.77.0.1:1701" }, { ip: 10.77.0.1 }, { ip: "fd77::1" }${
    variant === 1 ? ', { udp: "10.77.0.1:1799" }' : ""
  }]
admin: { listen: "unix:${adminSocket}" }
log: { level: info${variant === 2 ? ", levels: { rash: debug }" : ""} }
ppp:
  aaa: { users: "${folder}/users.yaml" }
  pools:
    homes: { ranges: [10.64.0.0/16] }
    six: { ranges: ["2001:db8:1000::/40"], length: 64 }
pppoe:
  access:
    street:
      interface: street
      vlans: ["100-104.1-4094"]
      asks-per-second: 10000
      terminate: homes
switches:
  lan:
    mac-aging-time: ${variant === 1 ? 100 : 300}
    ports:
${
    Object.keys(statics).map((name, index) =>
      `      v-${name}: { tap: { name: v-${name}, addresses: [10.91.${index}.1/24] }, tag: ${
        10 + index
      } }\n`
    ).join("")
  }\
${variant === 1 ? "      more: { tap: { name: more }, tag: 77 }\n" : ""}\
circuits:
  pair: { bridge: {} }
  homes:
    ppp:
      terminate:
        tun: { name: subs0 }
        address: 10.64.0.1
        pools: [homes]
        ipv6-pool: six
        echo-interval: 5
        echo-failures: 3
peers:
  steady: { address: 10.77.0.3, proto-version: 2, secret: steady, hide-avps: true, accept: [{ circuit: homes }] }
  steady3: { address: 10.77.0.3, secret: steady3, accept: [{ name: office, seq: both, reorder-timeout: 20, circuit: { tap: { name: m-steady, addresses: [10.92.0.1/24] } } }] }
  rash:
    address: 10.77.0.2
    host-name: rash
    secret: rash
    ${quick.replaceAll(", ", "\n    ")}
    tunnel-limit: ${variant === 2 ? 50 : 100}
    accept:
      - { name: "ppp*", pw-type: ppp, circuit: homes }
      - { name: office, circuit: { tap: { name: m-rash, addresses: [10.93.0.1/24] } } }
      - { name: office-ip, circuit: { tap: { name: m-rash-ip, addresses: [10.94.0.1/24] } } }
      - { name: "left*", circuit: { sink: { echo: true } } }
  rash-called: { address: 10.77.0.2, host-name: rash-called, local-host-name: edge-out, secret: rash, ${quick} }
${
    present.xl2tpd
      ? `  xl2tpd: { address: 10.79.1.2, proto-version: 2, ${quick}, accept: [{ circuit: { sink: {} } }] }\n`
      : ""
  }\
${
    present.l2tpns
      ? `  l2tpns: { address: 10.79.2.2, proto-version: 2, secret: secret, ${quick} }\n`
      : ""
  }\
tunnels:
${staticTunnels(1)}
  to-rash:
    peer: rash-called
    local: "10.77.0.1:1701"
    remote: "10.77.0.2:1701"
    sessions:
${Array.from({ length: 8 }, (_, i) => `      c${i}: { circuit: { sink: {} } }\n`).join("")}\
${variant === 1 ? "      extra: { circuit: { sink: {} } }\n" : ""}\
${
    present.l2tpns
      ? `  to-l2tpns:
    peer: l2tpns
    local: "10.77.0.1:1701"
    remote: "10.79.2.2:1701"
    sessions:
${Array.from({ length: 10 }, (_, i) => `      c${i}: { circuit: { sink: {} } }\n`).join("")}`
      : ""
  }\
  varied:
    static: { tunnel-id: ${variant === 2 ? 71 : 70}, peer-tunnel-id: 70 }
    local: "10.77.0.1:1770"
    remote: "10.77.0.3:1770"
    sessions:
      a: { session-id: 701, peer-session-id: 701, seq: ${
    variant === 1 ? "both" : "none"
  }, circuit: { tap: { name: varied${variant === 2 ? 1 : 0} } } }
      b: { session-id: 702, peer-session-id: 702, circuit: pair }
      c: { session-id: 703, peer-session-id: 703, circuit: pair }
${
    variant === 0 ? "" : Array.from({ length: 5 }, (_, i) =>
      `  more${i}:
    static: { tunnel-id: ${800 + i}, peer-tunnel-id: 1 }
    local: "10.77.0.1:${1800 + i}"
    remote: "10.77.0.3:1799"
    sessions: { s: { session-id: 1, peer-session-id: 1, circuit: { sink: {} } } }
`).join("")
  }`;
}

/** Its peer that lives as long: nothing that happens to others may be felt here. */
export function steadyText(adminSocket: string): string {
  return `
host-name: steady
router-id: 10.77.0.3
listen: [{ udp: "10.77.0.3:1701" }, { ip: 10.77.0.3 }, { ip: "fd77::3" }]
admin: { listen: "unix:${adminSocket}" }
circuits:
  wan: { ppp: { client: { tun: { name: wan0 }, user: steady, secret: pass, routes: [10.64.0.0/16], dns: false } } }
peers:
  edge: { address: 10.77.0.1, proto-version: 2, secret: steady, hide-avps: true }
  edge3: { address: 10.77.0.1, secret: steady3 }
tunnels:
${staticTunnels(3)}
  ppp: { peer: edge, local: "10.77.0.3:1701", remote: "10.77.0.1:1701", sessions: { wan: { circuit: wan } } }
  office:
    peer: edge3
    local: "10.77.0.3:1701"
    remote: "10.77.0.1:1701"
    sessions: { office: { seq: both, reorder-timeout: 20, circuit: { tap: { name: m-edge, addresses: [10.92.0.3/24] } } } }
`;
}

/** The peer that is killed again and again, behind a wire that loses packets. */
export function rashText(adminSocket: string): string {
  const calls = Array.from({ length: rashUsers }, (_, i) => i);
  return `
host-name: rash
router-id: 10.77.0.2
listen: [{ udp: "10.77.0.2:1701" }, { ip: 10.77.0.2 }]
admin: { listen: "unix:${adminSocket}" }
circuits:
${
    calls.map((i) =>
      `  wan${i}: { ppp: { client: { tun: { name: rash${i} }, user: rash${i}, secret: pass, dns: false } } }\n`
    ).join("")
  }\
peers:
  edge: { address: 10.77.0.1, host-name: edge, secret: rash, ${quick} }
  edge-out: { address: 10.77.0.1, host-name: edge-out, local-host-name: rash-called, secret: rash, ${quick}, accept: [{ circuit: { sink: {} } }] }
tunnels:
  office:
    peer: edge
    local: "10.77.0.2:1701"
    remote: "10.77.0.1:1701"
    sessions:
      office: { circuit: { tap: { name: m-edge-rash, addresses: [10.93.0.2/24] } } }
${
    calls.map((i) =>
      `      ppp${i}: { pw-type: ppp, circuit: wan${i} }\n      left${i}: { circuit: { sink: {} } }\n`
    ).join("")
  }\
  office-ip:
    peer: edge
    encap: ip
    local: 10.77.0.2
    remote: 10.77.0.1
    sessions: { office-ip: { circuit: { tap: { name: m-edge-ip, addresses: [10.94.0.2/24] } } } }
`;
}

/** Subscribers of PPPoE. */
export function crowdText(adminSocket: string): string {
  return `
admin: { listen: "unix:${adminSocket}" }
plugins: ["${crowdPlugin}"]
crowd: { interface: eth0, outer: 5, inner: ${homes / 5}, rate: 100 }
`;
}
