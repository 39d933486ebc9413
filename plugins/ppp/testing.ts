/** A subscriber of a test: a link of its own, on a session in the test's hands. @module */

import type { CallAvps } from "../plugin.ts";
import type { TestSession } from "../testing/session.ts";
import { settle, type World } from "../testing/world.ts";
// Loaded by now: virtual time does not wait for files.
import "./aaa/local.ts";
import "./aaa/radius/mod.ts";
import "./client.ts";
import "./terminate.ts";
import type { AuthMethod } from "./link/lcp.ts";
import { type LinkEnd } from "./link/end.ts";
import { IpcpClient } from "./link/ipcp.ts";
import { Ipv6cpOptions } from "./link/ipv6cp.ts";
import { type Link, makeLink } from "./link/link.ts";
import { seededOctets } from "./link/testing.ts";
import { emitFrame, Protocol } from "./link/wire.ts";

/** A subscriber. */
export interface TestSubscriber {
  readonly link: Link;
  readonly ipcp: IpcpClient;
  readonly ipv6cp: Ipv6cpOptions;
  /** What happened, in order. */
  readonly happened: string[];
  readonly ended: () => LinkEnd | undefined;
  /** IP packets that came by the control path: router advertisements, DHCPv6. */
  readonly packets: Uint8Array[];
  /** Begins LCP. */
  open(): void;
  /** Sends an IPv6 packet, which the forwarder punts. */
  send6(packet: Uint8Array): void;
  /** Lets frames go to and fro, and time pass. */
  talk(ms?: number): Promise<void>;
}

/** What a subscriber is. */
export interface TestSubscriberOptions {
  readonly name?: string;
  readonly secret?: string;
  readonly methods?: readonly AuthMethod[];
  readonly seed?: number;
  readonly ipv4?: boolean;
  readonly ipv6?: boolean;
  readonly mru?: number;
  /** The address that it asks for. */
  readonly address?: readonly number[];
}

/** Puts a subscriber behind a session. */
export function makeSubscriber(
  world: World,
  session: TestSession,
  {
    address,
    ipv4 = true,
    ipv6 = true,
    methods = ["chap-md5"],
    mru = 1500,
    name = "bob",
    secret = "pass",
    seed = 1,
  }: TestSubscriberOptions = {},
): TestSubscriber {
  const happened: string[] = [];
  const packets: Uint8Array[] = [];
  let ended: LinkEnd | undefined;
  let taken = 0;
  const out: Uint8Array[] = [];
  const link: Link = makeLink(
    {
      lcp: { mru, authenticate: [], answer: methods },
      name: "",
      credentials: { name, secret },
      echo: { intervalMs: 0, failures: 3 },
    },
    { random: seededOctets(seed), send: (frame) => void out.push(frame) },
    {
      asked() {},
      authenticated() {
        happened.push("authenticated");
        link.network(world.now);
      },
      restarted: () => void happened.push("restarted"),
      unanswered() {},
      data: (_protocol, packet) => void packets.push(packet.slice()),
      ended(why) {
        happened.push("ended");
        ended = why;
      },
      ignored: (what) => void happened.push(`ignored ${what}`),
    },
  );
  const tell = (what: string) => ({
    up: () => void happened.push(`${what} up`),
    down: () => void happened.push(`${what} down`),
    finished: (reason: string) => void happened.push(`${what} finished: ${reason}`),
  });
  const ipcp = new IpcpClient({ dns: true, ...(address && { address: Uint8Array.from(address) }) });
  const ipv6cp = new Ipv6cpOptions(seededOctets(seed + 1));
  if (ipv4) link.addNetwork(Protocol.Ipcp, ipcp, tell("ipcp"));
  if (ipv6) link.addNetwork(Protocol.Ipv6cp, ipv6cp, tell("ipv6cp"));
  /** What a termination does not take, it hands on. */
  const enter = (...frames: Uint8Array[]) => {
    if (world.ports.get(session.id)?.forwarder === undefined) session.receive(...frames);
    else world.punt(session.id, ...frames);
  };
  const exchange = async () => {
    for (let quiet = 0; quiet < 2;) {
      await settle();
      const came = session.sent.slice(taken);
      taken += came.length;
      for (const frame of came) link.input(frame, world.now);
      const leaves = out.splice(0);
      if (leaves.length > 0) enter(...leaves);
      quiet = came.length + leaves.length === 0 ? quiet + 1 : 0;
    }
  };
  return {
    link,
    ipcp,
    ipv6cp,
    happened,
    packets,
    ended: () => ended,
    open: () => link.open(world.now),
    send6: (packet) => enter(emitFrame(Protocol.Ipv6, packet)),
    async talk(ms = 0) {
      await exchange();
      for (let left = ms; left > 0; left -= 100) {
        await world.advance(Math.min(100, left));
        if (link.deadline !== undefined && link.deadline <= world.now) link.timeout(world.now);
        await exchange();
      }
    },
  };
}

/** What a LAC's ICCN says of a client that proved itself by PAP. */
export function papProxy(name: string, password: string): CallAvps {
  const text = new TextEncoder();
  return {
    proxyLcp: {
      initialReceived: Uint8Array.fromHex("010405ac050600001eef"),
      lastSent: Uint8Array.fromHex("0304c0230506aabbccdd"),
      lastReceived: Uint8Array.fromHex("010405ac050600001eef"),
    },
    proxyAuth: { type: 3, name: text.encode(name), id: 7, response: text.encode(password) },
  };
}
