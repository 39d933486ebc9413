/** Where packets can be lost that no tunnel lost: full queues of the wire, full sockets of receivers. @module */

import type { Lab } from "./lab.ts";

/** One end of the wire. */
export type Side = "here" | "guest";

/** Datagrams that found their UDP socket full at one end. */
export async function socketOverruns(lab: Lab, side: Side): Promise<number> {
  const snmp = await read(lab, side, "/proc/net/snmp");
  const [names, values] = [...snmp.matchAll(/^Udp: (.*)$/gm)].map(([, line]) => line!.split(" "));
  return Number(values![names!.indexOf("RcvbufErrors")]);
}

/** Packets on their way to one end that found the wire's queue full: UML reads it as fast as it can. */
export async function wireOverruns(lab: Lab, to: Side): Promise<number> {
  const counters = [
    ["here", `/sys/class/net/${lab.tap}/statistics/${to === "here" ? "rx" : "tx"}_dropped`],
    ["guest", `/sys/class/net/eth0/statistics/${to === "here" ? "tx" : "rx"}_dropped`],
  ] as const;
  const values = await Promise.all(counters.map(([side, file]) => read(lab, side, file)));
  return values.reduce((sum, value) => sum + Number(value), 0);
}

function read(lab: Lab, side: Side, file: string): Promise<string> {
  return side === "here" ? lab.here("cat", file) : lab.guest(`cat ${file}`);
}
