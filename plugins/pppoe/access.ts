/** The access concentrator at one interface: its port, discovery, and each client's session from PADR to PADT. @module */

import { asError } from "../failure.ts";
import type { CallEnd, Endable, PacketPort, Port, Row, Scope } from "../plugin.ts";
import { isRefusal } from "../session.ts";
import { type Client, Concentrator, type ConcentratorRules } from "./discovery/concentrator.ts";
import { EtherType, vlanKey } from "./discovery/frame.ts";
import type { SessionCounts } from "./discovery/limits.ts";
import { textOf } from "../line.ts";
import type { Counters } from "./counters.ts";
import { type AccessOptions, parseVlans, type PppoeSection } from "./options.ts";
import { saidOf, templateValues } from "./subscriber.ts";

/** Offers that may wait for their time, at an interface. */
const MAX_WAITING = 256;

/** PADT: the client ended it. RFC 3145: a normal disconnect, by the peer. */
const PADT: CallEnd = {
  result: 1,
  message: "the client ended its PPPoE session (PADT)",
  ppp: { code: 3, protocol: 0, direction: 1 },
};

/** Carries a session to an LNS, until its scope ends. */
export type Carry = (session: AccessSession) => Promise<void>;

/** A client's session. */
export interface AccessSession {
  readonly client: Client;
  /** `<access>/<mac>/<session id>`. */
  readonly name: string;
  readonly device: string;
  /** Its PPP frames. */
  readonly port: Port;
  readonly scope: Scope & Endable;
  /** What an operator sees of it. */
  readonly shown: { user?: string; to?: string };
}

/** What the interfaces of a service share. */
export interface AccessSetting {
  readonly counts: SessionCounts;
  readonly counters: Counters;
  readonly section: () => PppoeSection;
  /** Sessions on their way up, of all interfaces. */
  readonly starting: { count: number };
}

/** An interface that is served. */
export class Access {
  readonly name: string;
  #options: AccessOptions;
  readonly #setting: AccessSetting;
  readonly #scope: Scope;
  readonly #carry: Carry | undefined;
  #wire: PacketPort | undefined;
  #concentrator: Concentrator | undefined;
  readonly #sessions = new Map<Client, AccessSession>();
  #waiting = 0;

  constructor(
    name: string,
    options: AccessOptions,
    setting: AccessSetting,
    scope: Scope,
    carry: Carry | undefined,
  ) {
    this.name = name;
    this.#options = options;
    this.#setting = setting;
    this.#scope = scope;
    this.#carry = carry;
  }

  /** Opens the interface. Where it is not there, or goes, the scope fails, and all is begun again later. */
  async open(): Promise<void> {
    const { interface: name, netns, vlans } = this.#options;
    const wire = await this.#scope.open("packet", {
      name,
      ...(netns !== undefined && { netns }),
      vlans: vlans.map((text) => parseVlans(text)!),
      protocols: [EtherType.Discovery, EtherType.Session],
      promiscuous: false,
      offload: { vnet: false },
    });
    const at = { name, mac: wire.mac, mtu: wire.mtu };
    const { counters, counts } = this.#setting;
    const concentrator = new Concentrator(at, this.#rules(), counts, this.#scope.random, {
      send: (frame, delayMs) => this.#send(frame, delayMs),
      begun: (client) => this.#begin(client),
      ended: (client) => void this.#sessions.get(client)?.scope.end(PADT),
      count: (what) => counters.discovery(what),
      busy: () => this.#setting.starting.count >= this.#setting.section()["max-starting"],
    });
    this.#wire = wire;
    this.#concentrator = concentrator;
    this.#scope.receive(wire, (batch) => {
      // Another MAC makes another concentrator of it: clients know us by it.
      if (wire.mac !== at.mac) return this.#scope.fail(this.#moved());
      for (const { bytes } of batch) concentrator.input(bytes, this.#scope.now());
    });
  }

  /** Takes other options where that changes neither the interface nor what becomes of sessions. */
  change(options: AccessOptions): void {
    this.#options = options;
    this.#concentrator?.change(this.#rules());
  }

  /** A row for each session. */
  *rows(): Iterable<Row> {
    for (const { client, shown } of this.#sessions.values()) {
      yield {
        access: this.name,
        interface: this.#options.interface,
        mac: client.mac,
        vlans: vlanKey(client.vlans),
        id: client.sessionId,
        service: textOf(client.serviceName),
        user: shown.user ?? null,
        to: shown.to ?? null,
      };
    }
  }

  /** Ends sessions of a MAC. @returns how many */
  drop(mac: string): number {
    const all = [...this.#sessions.values()].filter(({ client }) => client.mac === mac);
    for (const { scope } of all) void scope.end({ result: 3, message: "ended by the operator" });
    return all.length;
  }

  #rules(): ConcentratorRules {
    const options = this.#options;
    const section = this.#setting.section();
    return {
      acName: options["ac-name"],
      services: {
        names: options["service-names"],
        blank: options["accept-blank"],
        any: options["accept-any"],
      },
      macs: { allow: options["allow-mac"], deny: options["deny-mac"] },
      limits: {
        mac: options["sessions-per-mac"],
        vlan: options["sessions-per-vlan"] ?? Infinity,
        interface: options["max-sessions"],
        all: section["max-sessions"] ?? Infinity,
      },
      delays: options["pado-delay"].map(({ delay, sessions }) => ({
        sessions,
        delayMs: delay < 0 ? -1 : 1000 * delay,
      })),
      askingPerMac: options["asks-per-mac"],
      asking: options["asks-per-second"],
      idRestMs: 2000 * section["echo-timeout"],
    };
  }

  #moved(): Error {
    return this.#scope.failure("unavailable", "the interface has another MAC address now");
  }

  #send(frame: Uint8Array, delayMs: number): void {
    const wire = this.#wire!;
    if (delayMs === 0) return void wire.send([frame]);
    if (this.#waiting >= MAX_WAITING) return this.#setting.counters.discovery("refused-load");
    this.#waiting++;
    this.#scope.timer(this.#scope.now() + delayMs, () => {
      this.#waiting--;
      wire.send([frame]);
    });
  }

  #begin(client: Client): void {
    const label = `${this.name}/${client.mac}/${client.sessionId}`;
    const life = this.#scope.child(label);
    const concentrator = this.#concentrator!;
    // First had, last undone: PADT is the last word of a session.
    let confirmed = false;
    life.defer(({ message }) => {
      this.#sessions.delete(client);
      if (confirmed) concentrator.end(client, life.now());
      else concentrator.refuse(client, message ?? "no session", life.now());
    });
    const { starting } = this.#setting;
    starting.count++;
    this.#serve(client, label, life, () => {
      confirmed = true;
      concentrator.confirm(client);
    }).catch((error) => life.signal.aborted || life.fail(asError(error)))
      .finally(() => starting.count--);
  }

  async #serve(
    client: Client,
    label: string,
    life: Scope & Endable,
    confirm: () => void,
  ): Promise<void> {
    const { maxPayload, mac, sessionId, vlans } = client;
    const port = await life.open("pppoe", { on: this.#wire!, vlans, mac, sessionId, maxPayload });
    const { interface: device, terminate } = this.#options;
    const session: AccessSession = { client, name: label, device, port, scope: life, shown: {} };
    this.#sessions.set(client, session);
    life.log("debug", "a PPPoE session begins", { mac, id: sessionId, vlans: vlanKey(vlans) });
    if (terminate === undefined) {
      confirm();
      return await this.#carry!(session);
    }
    const how = { calling: "{mac}", called: "{service-name}", line: true };
    const said = saidOf(client, templateValues(client, device), how);
    const channel = { name: `pppoe/${label}`, pseudowireType: 7, said, port };
    const joined = await life.attach(terminate, channel, (why) => void life.end(why));
    if (isRefusal(joined)) return void life.end(joined.refuse);
    session.shown.to = terminate;
    confirm();
  }
}
