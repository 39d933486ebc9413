/**
 * Switches in Open vSwitch's words: the `switch` circuit and the section `switches`. Each session that attaches is a port
 * of its switch, beside the ports that the file gives it.
 *
 * @module
 */

import { z } from "zod";
import { PseudowireType } from "../../core/pseudowire.ts";
import { globMatches } from "../glob.ts";
import { ETHERNET_HEADER } from "../mac.ts";
import type { Circuit, Json, Plugin, Row, Scope, Session } from "../plugin.ts";
import {
  type CircuitOptions,
  circuitOptions,
  type PortOptions,
  portOptions,
  type Section,
  section,
} from "./options.ts";
import { makeSwitches, patchProblems, type Running, type Switches } from "./switches.ts";

const station = z.strictObject({
  switch: z.string(),
  port: z.string(),
  vlan: z.int().min(0).max(4095).default(0),
  mac: z.string(),
});

/** The plugin. */
export const vswitch: Plugin<CircuitOptions, Section, PortOptions> = {
  name: "switch",
  summary: "an Ethernet pseudowire as a port of a switch",
  pseudowireTypes: [PseudowireType.EthernetVlan, PseudowireType.Ethernet],
  options: circuitOptions,
  portOptions,
  section: { key: "switches", schema: section },
  columns: [
    { name: "switch", help: "the switch that it is a port of" },
    { name: "tag", help: "the port's own VLAN" },
  ],
  views: [
    {
      name: "switch",
      help: "switches, and how much each knows",
      columns: [
        { name: "switch", help: "its name" },
        { name: "ports", help: "ports that are joined" },
        { name: "macs", help: "MAC addresses that it knows" },
        { name: "mac-table-size", help: "how many it may know" },
        { name: "mac-aging-time", help: "seconds until it forgets one that was not heard" },
        { name: "mtu", help: "the least of its ports'" },
      ],
    },
    {
      name: "port",
      help: "ports of switches, of one where its name is given",
      columns: [
        { name: "switch", help: "its switch" },
        { name: "port", help: "its name" },
        { name: "kind", help: "session, tap, interface or patch" },
        {
          name: "status",
          help: "up, blocked because of a loop, or down with its session or device",
        },
        { name: "vlan-mode", help: "what it does with tags" },
        { name: "tag", help: "its own VLAN" },
        { name: "trunks", help: "the VLANs that it carries" },
        { name: "macs", help: "MAC addresses learnt at it" },
        { name: "blocked", help: "seconds that it is blocked for because of a loop" },
        { name: "rx-frames", help: "frames that came in" },
        { name: "tx-frames", help: "frames that left" },
        { name: "dropped", help: "frames that went no further, by reason" },
      ],
    },
    {
      name: "fdb",
      help: "MAC addresses that switches know, of one where its name is given",
      columns: [
        { name: "switch", help: "the switch" },
        { name: "port", help: "where the station is" },
        { name: "vlan", help: "its VLAN; 0: none" },
        { name: "mac", help: "its MAC address" },
        { name: "age", help: "seconds since it was heard; static: an operator said so" },
      ],
    },
  ],
  words: [
    { word: "add-fdb", help: "says at which port a MAC address is", given: station },
    {
      word: "del-fdb",
      help: "forgets a MAC address",
      given: station.omit({ port: true }),
    },
    {
      word: "flush-fdb",
      help: "forgets what a switch has learnt, at one port where that is given",
      given: z.strictObject({ switch: z.string(), port: z.string().exactOptional() }),
    },
  ],
  check: (section, circuits) => [
    ...circuits.flatMap(({ name, options }) => {
      const named = [options.switch, ...(options.choose ?? []).map((each) => each.switch)];
      return named.filter((each) => !(each in section)).map((each) => `${name}: no switch ${each}`);
    }),
    ...patchProblems(section),
  ],
  async start(scope, first) {
    const switches = makeSwitches(scope);
    await switches.bring(first);
    return {
      provision: (_life, options) => circuit(switches, options),
      async reconfigure(next) {
        await switches.bring(next);
        return true;
      },
      show: (view, name) => rows(switches, view, name),
      run: (word, given) => run(scope, switches, word, given),
    };
  },
};

function circuit(
  { all }: Switches,
  first: CircuitOptions,
): Circuit<CircuitOptions, PortOptions> {
  let options = first;
  return {
    async attach(session, life, given) {
      let own = given;
      const wanted = () => chosen(options, own, session);
      const at = wanted().switch;
      const running = all.get(at);
      if (!running) return { refuse: { result: 4, message: `switch ${at} is down` } };
      if (session.pseudowireType === PseudowireType.EthernetVlan && wanted().port.translate) {
        const message = "a VLAN pseudowire has its vlan-id in the place of translate";
        throw life.failure("invalid", message, "translate");
      }
      // A call carries frames before its peer has said what its circuit is like.
      let connected = session.request === undefined;
      const joined = await running.join(
        life,
        session.port,
        {
          name: session.name,
          kind: "session",
          options: wanted().port,
          up: () => session.up || !connected,
          carrier: session.carrier,
        },
        () => session.port.frameMtu - ETHERNET_HEADER,
      );
      session.connected().then(() => {
        connected = true;
        return joined.refit();
      }).catch(() => {}); // it has ended
      const reconfigure = async (next: PortOptions) => {
        own = next;
        if (wanted().switch !== at) return false;
        await joined.change(wanted().port);
        return true;
      };
      return {
        get mtu() {
          return session.port.frameMtu - ETHERNET_HEADER;
        },
        changed: joined.refit,
        show: () => ({ switch: at, tag: wanted().port.tag ?? null }),
        reconfigure,
      };
    },
    reconfigure(next) {
      options = next;
      return true;
    },
  };
}

/** Which switch a session is for, and what its port is to be: what it says itself counts most. */
function chosen(
  { choose = [], switch: otherwise, ...common }: CircuitOptions,
  own: PortOptions,
  session: Session,
): { readonly switch: string; readonly port: PortOptions } {
  const endId = new TextDecoder().decode(session.said.remoteEndId ?? new Uint8Array());
  const hostName = session.tunnel?.hostName ?? "";
  const fits = choose.find(({ "host-name": host, "remote-end-id": id }) =>
    (id === undefined || globMatches(id, endId)) &&
    (host === undefined || globMatches(host, hostName))
  );
  if (!fits) return { switch: otherwise, port: { ...common, ...own } };
  const { "host-name": _host, "remote-end-id": _id, switch: at, ...port } = fits;
  return { switch: at, port: { ...common, ...port, ...own } };
}

async function* rows(
  { all }: Switches,
  view: string,
  name: string | undefined,
): AsyncIterable<Row> {
  const some = [...all.values()].filter((one) => name === undefined || one.name === name);
  for (const one of some) {
    if (view === "switch") yield await switchRow(one);
    else if (view === "port") yield* await portRows(one);
    else {
      for await (const { age, mac, port, vlan } of one.forwarder.fdb()) {
        const heard = age === undefined ? "static" : Math.floor(age);
        yield { switch: one.name, port, vlan, mac, age: heard };
      }
    }
  }
}

async function switchRow(one: Running): Promise<Row> {
  const { mtu, ports, stations } = await one.figures();
  const declared = one.declared();
  return {
    switch: one.name,
    ports: ports.length,
    macs: stations,
    "mac-table-size": declared["mac-table-size"] ?? 8192,
    "mac-aging-time": declared["mac-aging-time"] ?? 300,
    mtu: mtu ?? null,
  };
}

async function portRows(one: Running): Promise<Row[]> {
  const { ports } = await one.figures();
  return ports.map(({ blockedMs, counters, name, stations }) => {
    const row = one.rows.get(name);
    const options = row?.options() ?? {};
    const dropped = Object.entries(counters)
      .filter(([name, count]) => count > 0 && !passed.has(name)).map(([name, count]) =>
        `${name} ${count}`
      );
    return {
      switch: one.name,
      port: name,
      kind: row?.kind ?? "session",
      "vlan-mode": options["vlan-mode"] ?? (options.tag === undefined ? "trunk" : "access"),
      tag: options.tag ?? null,
      trunks: options.trunks?.join(",") ?? null,
      macs: stations,
      status: row?.up() === false ? "down" : blockedMs > 0 ? "blocked" : "up",
      blocked: Math.ceil(blockedMs / 1000),
      "rx-frames": counters["rx-frames"] ?? 0,
      "tx-frames": counters["tx-frames"] ?? 0,
      dropped: dropped.join(", ") || null,
      "rx-bytes": counters["rx-bytes"] ?? 0,
      "tx-bytes": counters["tx-bytes"] ?? 0,
      counters: counters as Readonly<Record<string, Json>>,
    };
  });
}

/** Counters of what was not dropped. */
const passed = new Set([
  "rx-frames",
  "rx-bytes",
  "tx-frames",
  "tx-bytes",
  "over-mtu",
  "tags-deleted",
  "not-learnt",
  "learnt",
  "moved",
  "blocked",
]);

async function run(
  scope: Scope,
  { all }: Switches,
  word: string,
  given: object,
): Promise<Json> {
  const { port, switch: name, ...rest } = given as Partial<z.infer<typeof station>>;
  const { forwarder } = all.get(name ?? "") ?? {};
  if (!forwarder) throw scope.failure("invalid", `there is no switch ${name}`, "switch");
  const entry = { port: port ?? "", vlan: rest.vlan ?? 0, mac: rest.mac ?? "" };
  if (word === "add-fdb") await forwarder.add(entry);
  else if (word === "del-fdb") await forwarder.del(entry);
  else await forwarder.flush(port);
  return null;
}
