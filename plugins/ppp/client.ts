/** PPP's other end: we dial, and own a TUN. The `client` kind of the ppp circuit. @module */

import { isDeepStrictEqual } from "node:util";
import { formatIp } from "../../core/endpoint.ts";
import type {
  Attachment,
  CallEnd,
  Circuit,
  DevicePort,
  PppForwarder,
  Scope,
  Session,
} from "../plugin.ts";
import { octetsOfAddress } from "./addresses.ts";
import { Client6 } from "./client6.ts";
import { driveLink, type DrivenLink } from "./drive.ts";
import { hookOf } from "./hooks.ts";
import { type Finish, type LinkEnd, networkEnd } from "./link/end.ts";
import { IpcpClient } from "./link/ipcp.ts";
import { emitFrame, Protocol } from "./link/wire.ts";
import type { Line6 } from "./line6.ts";
import type { ClientOptions, PppOptions } from "./options.ts";
import type { Counters } from "./service.ts";
import { usageOf } from "./usage.ts";
import { administrative, callEndOf } from "./why.ts";

/** A client's circuit, as its session sees it. */
interface ClientCircuit {
  readonly options: ClientOptions;
  readonly secret: string;
  /** Of our IPv6 addresses: the same for all links. */
  readonly interfaceId: Uint8Array;
  readonly tun: DevicePort;
  readonly forwarder: PppForwarder;
  readonly counters: Counters;
}

/** Makes a client. Its TUN stays while it dials again: what is bound to it lives on. */
export async function client(
  scope: Scope,
  first: ClientOptions,
  counters: Counters,
): Promise<Circuit<PppOptions>> {
  let options = first;
  const { mtu = 1500, name, netns, vrf } = first.tun;
  const secretOf = ({ secret, "secret-file": file }: ClientOptions) =>
    secret ?? scope.readText(file!).split(/\r?\n/)[0]!;
  let secret = secretOf(first);
  const tun = await scope.open("tun", {
    name,
    mtu,
    ...(netns !== undefined && { netns }),
    ...(vrf !== undefined && { vrf }),
  });
  tun.carrier(false);
  const forwarder = await scope.open("ppp", { tun });
  const interfaceId = new Uint8Array(scope.random(8));
  interfaceId[0]! &= 0xfd; // of nobody's but this link (RFC 5072 §4.1)
  return {
    sessions: 1,
    attach(session, life) {
      const one = new ClientSession(session, life, {
        options,
        secret,
        interfaceId,
        tun,
        forwarder,
        counters,
      });
      one.begin().catch((error) => life.signal.aborted || life.fail(error));
      return one.attachment;
    },
    reconfigure(next) {
      if (!next.client || !isDeepStrictEqual(next.client.tun, options.tun)) return false;
      // A link that is up stays as it was negotiated; the next one is as the file has it now.
      secret = secretOf(next.client);
      options = next.client;
      return true;
    },
  };
}

/** One link of a client. */
export class ClientSession {
  readonly session: Session;
  readonly scope: Scope;
  readonly circuit: ClientCircuit;
  readonly #driven: DrivenLink;
  readonly #ipcp: IpcpClient;
  readonly #six: Client6 | undefined;
  #joined = false;
  #changing: Promise<void> = Promise.resolve();
  #isUp4 = false;
  #isUp6 = false;
  #upAt: number | undefined;
  #rxPackets = 0;
  #address: string | undefined;
  #peer: string | undefined;

  constructor(session: Session, scope: Scope, circuit: ClientCircuit) {
    this.session = session;
    this.scope = scope;
    this.circuit = circuit;
    const { options } = circuit;
    this.#driven = driveLink(scope, session.port, {
      lcp: {
        mru: Math.min(options.mru, this.#pathMtu()),
        authenticate: [],
        answer: options.authenticate,
      },
      name: options.user,
      credentials: { name: options.user, secret: circuit.secret },
      echo: { intervalMs: options["echo-interval"] * 1000, failures: options["echo-failures"] },
    }, {
      asked: () => {},
      authenticated: () => void this.#authenticated().catch(scope.fail),
      restarted: () => {},
      unanswered: () => void this.#unanswered().catch(scope.fail),
      data: (protocol, packet) => protocol === Protocol.Ipv6 && this.#six?.data(packet),
      ended: (end) => this.#ended(end),
      ignored: () => circuit.counters.ignored.add(),
    });
    this.#ipcp = new IpcpClient({
      dns: options.dns,
      ...(options.address !== undefined && { address: octetsOfAddress(options.address) }),
    });
    this.#six = options.ipv6
      ? new Client6(this.#line(), {
        interfaceId: circuit.interfaceId,
        prefix: options["prefix-delegation"],
      })
      : undefined;
    this.#addNetworks();
  }

  /** What the host is told. */
  get attachment(): Attachment {
    // deno-lint-ignore no-this-alias
    const own = this;
    return {
      ifname: this.circuit.tun.name,
      get mtu() {
        return own.mtu;
      },
      changed: () => own.joined(),
      show: () => ({
        user: own.circuit.options.user,
        address: own.#address ?? null,
        "ipv6-prefix": own.#six?.addresses[0] ?? null,
        "delegated-prefix": own.#six?.delegated[0] ?? null,
        "rate-up": null,
        "rate-down": null,
        stage: own.#upAt === undefined ? "negotiating" : "up",
      }),
    };
  }

  /** Octets of the largest packet to the peer. */
  get mtu(): number {
    return Math.min(this.#driven.link.agreed.peerMru, this.circuit.tun.mtu, this.#pathMtu());
  }

  /** Begins when the peer says that frames can flow. */
  async begin(): Promise<void> {
    await this.session.connected();
    this.#driven.begin((link, now) => link.open(now));
  }

  /** Does something with the link. */
  run: DrivenLink["run"] = (work) => this.#driven.run(work);

  /** The device's addresses, and the largest packet, are what was agreed on; one change follows another. */
  joined(): Promise<void> {
    return this.#changing = this.#changing.catch(() => {}).then(() => this.#changeDevice());
  }

  async #changeDevice(): Promise<void> {
    if (!this.#joined || this.scope.signal.aborted) return;
    const addresses = [
      ...(this.#address === undefined ? [] : [`${this.#address}/32`]),
      ...this.#six?.addresses ?? [],
    ];
    await this.circuit.tun.change({ addresses, mtu: this.mtu });
  }

  /** Routes to the link; one that is there already stays as it is. */
  async route(prefix: string): Promise<void> {
    const { options: { metric, tun: { netns } }, tun } = this.circuit;
    try {
      await this.scope.route({
        prefix,
        device: tun.name,
        ...(metric !== undefined && { metric }),
        ...(netns !== undefined && { netns }),
      });
    } catch (error) {
      this.scope.log("warn", "cannot add a route", {
        prefix,
        reason: String((error as Error).message),
      });
    }
  }

  /** Runs the operator's command. */
  hook(event: string): void {
    const { options, tun } = this.circuit;
    this.scope.hook(event, () =>
      hookOf({
        ifname: tun.name,
        session: this.session.name,
        user: options.user,
        local: this.#address,
        remote: this.#peer,
        dns: event.startsWith("ipv6") ? this.#six?.dns ?? [] : this.#ipcp.got.dns.map(formatIp),
        localId: this.#six?.options.own,
        remoteId: this.#six?.options.peer,
        delegated: this.#six?.delegated ?? [],
        secondsUp: this.#upAt === undefined ? 0 : (this.scope.now() - this.#upAt) / 1000,
        usage: { upOctets: 0, downOctets: 0, upPackets: 0, downPackets: 0 },
      }));
  }

  #line(): Line6 {
    return {
      scope: this.scope,
      send: (packet) => void this.session.port.send([emitFrame(Protocol.Ipv6, packet)]),
      changed: () => void this.#addresses6Changed().catch(this.scope.fail),
    };
  }

  #addNetworks(): void {
    const { link } = this.#driven;
    link.addNetwork(Protocol.Ipcp, this.#ipcp, {
      up: () => void this.#ipcpUp().catch(this.scope.fail),
      down: () => this.#ipcpDown(),
      finished: (reason, how) => this.#finished(reason, how),
    });
    const six = this.#six;
    if (!six) return;
    link.addNetwork(Protocol.Ipv6cp, six.options, {
      up: () => six.up(),
      down: () => six.down(),
      finished: (reason) => this.scope.log("info", "no IPv6 on the link", { reason }),
    });
  }

  async #authenticated(): Promise<void> {
    if (!this.#joined) {
      const { forwarder, options, tun } = this.circuit;
      // Its tunnel is gone with the session: whoever looks at the device sees that.
      this.scope.defer(() => tun.carrier(false));
      await this.scope.join(forwarder, this.session.port, {
        addresses: [],
        prefixes: ["0.0.0.0/0", "::/0"],
        mru: this.mtu,
        clampMss: options["clamp-mss"],
        sourceCheck: false,
      });
      this.#joined = true;
      this.scope.defer((why) => this.#farewell(why));
    }
    this.run((link, now) => link.network(now));
  }

  async #ipcpUp(): Promise<void> {
    const { address, peer } = this.#ipcp.got;
    this.#address = formatIp(address);
    this.#peer = peer && formatIp(peer);
    await this.joined();
    this.circuit.tun.carrier(true);
    const { options } = this.circuit;
    if (!this.#isUp4) {
      this.#isUp4 = true;
      for (const prefix of options.routes) if (!prefix.includes(":")) await this.route(prefix);
      if (options["default-route"]) await this.route("0.0.0.0/0");
      this.scope.defer(() => this.hook("ip-down"));
    }
    this.#upAt ??= this.scope.now();
    this.scope.log("info", "the link is up", { address: this.#address, peer: this.#peer ?? null });
    this.scope.event("up", {
      session: this.session.name,
      user: options.user,
      address: this.#address,
    });
    this.hook("ip-up");
  }

  /** What IPv6 has now: addresses, routes, and what operators are told. */
  async #addresses6Changed(): Promise<void> {
    const six = this.#six!;
    // What is advertised without a prefix or a name server makes no difference.
    if (!this.#isUp6 && six.addresses.length + six.delegated.length + six.dns.length === 0) return;
    await this.joined();
    this.circuit.tun.carrier(true);
    const { options } = this.circuit;
    if (!this.#isUp6 && (six.addresses.length > 0 || six.delegated.length > 0)) {
      this.#isUp6 = true;
      for (const prefix of options.routes) if (prefix.includes(":")) await this.route(prefix);
      if (options["default-route"]) await this.route("::/0");
      this.scope.defer(() => this.hook("ipv6-down"));
    }
    this.#upAt ??= this.scope.now();
    this.scope.log("info", "IPv6 on the link has changed", {
      addresses: six.addresses,
      delegated: six.delegated,
      dns: six.dns,
    });
    this.hook("ipv6-up");
  }

  #ipcpDown(): void {
    this.scope.log("info", "IPv4 on the link is down");
  }

  #finished(reason: string, how: Finish): void {
    if (this.#six?.options.peer) return this.scope.log("info", "no IPv4 on the link", { reason });
    const end = networkEnd(`no network: IPv4: ${reason}`, Protocol.Ipcp, how);
    this.run((link, now) => link.terminate(end, now));
  }

  async #unanswered(): Promise<void> {
    const before = this.#rxPackets;
    this.#rxPackets = usageOf(await this.session.port.statistics()).upPackets;
    this.run((link, now) => this.#rxPackets !== before ? link.heard() : link.silent(now));
  }

  #ended(end: LinkEnd): void {
    if (end.by !== "us") this.scope.log("warn", "the link is over", { reason: end.reason });
    if (end.by !== "us") {
      this.scope.event("failed", {
        session: this.session.name,
        user: this.circuit.options.user,
        reason: end.reason,
      });
    }
    this.session.end(callEndOf(end));
  }

  #farewell({ message }: CallEnd): void {
    this.run((link, now) => link.terminate(administrative(message ?? "the session ends"), now));
  }

  #pathMtu(): number {
    return Math.max(576, this.session.port.frameMtu - 4);
  }
}
