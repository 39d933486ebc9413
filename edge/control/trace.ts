/**
 * Control messages as they come and go, for those who look on: `isthmus trace`. Nobody pays for it while nobody looks;
 * who looks and does not keep up loses messages, and is told how many.
 *
 * @module
 */

import { formatEndpoint } from "../../core/endpoint.ts";
import { PeerError } from "../../core/errors.ts";
import type { ConnectionState, ControlDrop } from "../../core/events.ts";
import type { Connection } from "../../core/lcce.ts";
import { Ring } from "../../core/queues.ts";
import type { Path } from "../../core/settings.ts";
import { type DecodedMessage, decodeMessage, withoutSecrets } from "../../core/wire/decode.ts";
import type { Row } from "../../plugins/plugin.ts";
import type { Logger } from "../log/log.ts";
import type { Clock } from "../../plugins/host/leaves.ts";
import type { ControlEvent, Onlooker } from "./events.ts";
import { packetOf, type PacketsOf, type PacketSource, type TracedPacket } from "./packets.ts";

/** A message that came or went. */
export interface TracedMessage {
  readonly kind: "message";
  /** Unix milliseconds. */
  readonly time: number;
  readonly direction: "received" | "sent";
  readonly path: Path;
  /** The tunnel's name, where there is one. */
  readonly tunnel?: string;
  /** The peer's name in the configuration, where it is known. */
  readonly peer?: string;
  /** Where the control connection stands now that the message was acted on. */
  readonly state?: ConnectionState;
  /** Why it came to nothing. */
  readonly dropped?: ControlDrop;
  /** What it says; absent: not even its header can be read. */
  readonly message?: DecodedMessage;
  /** All of it, with zeros in place of secrets. */
  readonly octets: Uint8Array<ArrayBuffer>;
}

/** What can be seen. */
export type Traced =
  | TracedMessage
  /** Something entered a state, or failed. */
  | { readonly kind: "event"; readonly event: ControlEvent }
  | TracedPacket
  /** So many messages, packets and events were lost before this one. */
  | { readonly kind: "lost"; readonly count: number };

/** What one looker-on sees. */
export interface Trace extends Disposable {
  /** The next one; undefined: there will be no more. */
  next(): Promise<Traced | undefined>;
}

/** What waits for a looker-on: at most so many, and so many octets of them. */
const QUEUE_LIMIT = { items: 2048, octets: 2 << 20 };

/** A message as it waits: it is read only once somebody wants it. */
interface Seen extends Omit<TracedMessage, "message" | "octets"> {
  readonly data: Uint8Array;
  readonly hidingKey?: Uint8Array;
}
type Waiting = Seen | TracedPacket | Extract<Traced, { kind: "event" }>;

/** How often packets are read, in milliseconds. */
const READ_MS = 50;

/** What a tracer asks. */
export interface TracerOptions {
  /** The connection that a message is of. */
  whose(data: Uint8Array, path: Path, direction: "received" | "sent"): Connection | undefined;
  /** The name of a connection's tunnel. */
  tunnelOf(connection: Connection): string | undefined;
  /** How many datagrams came to nothing, by reason. */
  drops(): ReadonlyMap<ControlDrop, number>;
  /** Unix milliseconds. */
  wallClock(): number;
  readonly clock: Pick<Clock, "now" | "timer">;
  /** Gets a line a message of those tunnels and peers whose level is `debug`. */
  readonly log: Pick<Logger, "debug" | "debugs" | "particular">;
}

/** Shows what comes and goes to those who look. */
export class Tracer implements Onlooker, Disposable {
  readonly #options: TracerOptions;
  readonly #onlookers = new Set<Reader>();

  constructor(options: TracerOptions) {
    this.#options = options;
  }

  /** Whether anybody looks; nothing else need be called while nobody does. */
  get watched(): boolean {
    return this.#onlookers.size > 0 || this.#options.log.particular;
  }

  /** Whether anybody looks at what is dropped before it is known whose it is: the log has no lines for strangers. */
  get strangersWatched(): boolean {
    return this.#onlookers.size > 0;
  }

  /** Runs what takes a message, and shows the message with what became of it. */
  received(data: Uint8Array, path: Path, take: () => void): void {
    const before = this.#options.whose(data, path, "received");
    const drops = this.drops();
    try {
      take();
    } finally {
      this.dropped(data, path, drops, before);
    }
  }

  /** How much came to nothing so far, to be told apart from what comes to nothing next. */
  drops(): ReadonlyMap<ControlDrop, number> {
    return new Map(this.#options.drops());
  }

  /** Shows a message that was taken, with why it came to nothing: what has come to nothing since `drops` were taken. */
  dropped(
    data: Uint8Array,
    path: Path,
    drops: ReadonlyMap<ControlDrop, number>,
    before?: Connection,
  ): void {
    const connection = this.#options.whose(data, path, "received") ?? before;
    const reason = [...this.#options.drops()].find(([one, count]) =>
      count !== (drops.get(one) ?? 0)
    );
    this.#show(data, path, "received", connection, reason?.[0]);
  }

  /** Shows a message that is about to be sent. */
  sent(data: Uint8Array, path: Path): void {
    this.#show(data, path, "sent", this.#options.whose(data, path, "sent"));
  }

  /** Shows that something happened. */
  happened(event: ControlEvent): void {
    for (const onlooker of this.#onlookers) onlooker.offer({ kind: "event", event }, 0);
  }

  /**
   * What comes and goes from now on.
   * @param of only that of a tunnel, a peer or an address, by its name; undefined: all, strangers' messages too
   * @param packets where data packets come from, too, if they are wanted; closed at the end
   */
  watch(
    of: string | undefined,
    packets?: { readonly from: PacketSource; readonly of: PacketsOf },
  ): Trace {
    const onlooker = new Reader(of, () => {
      this.#onlookers.delete(onlooker);
      timer?.[Symbol.dispose]();
      packets?.from[Symbol.dispose]();
    });
    this.#onlookers.add(onlooker);
    const { clock, wallClock } = this.#options;
    let timer: Disposable | undefined;
    const read = () => {
      const time = wallClock();
      const lost = packets!.from.read((head, length) => {
        const packet = packetOf(head, length, time, packets!.of);
        if (packet) onlooker.offer(packet, head.length);
      });
      onlooker.miss(lost);
      timer = clock.timer(clock.now() + READ_MS, read);
    };
    if (packets) read();
    return onlooker;
  }

  [Symbol.dispose](): void {
    for (const onlooker of this.#onlookers) onlooker[Symbol.dispose]();
  }

  #show(
    data: Uint8Array,
    path: Path,
    direction: "received" | "sent",
    connection: Connection | undefined,
    dropped?: ControlDrop,
  ): void {
    const tunnel = connection && this.#options.tunnelOf(connection);
    const hidingKey = connection?.hidingKey;
    const seen: Seen = {
      kind: "message",
      time: this.#options.wallClock(),
      direction,
      path,
      ...(tunnel !== undefined && { tunnel }),
      ...(connection && { peer: connection.settings.name, state: connection.state }),
      ...(dropped !== undefined && { dropped }),
      data,
      ...(hidingKey && { hidingKey }),
    };
    for (const onlooker of this.#onlookers) onlooker.offer(seen, data.length);
    const { log } = this.#options;
    if (log.debugs(tunnel, seen.peer)) {
      log.debug(`control message ${direction}`, lineOf(read(seen)));
    }
  }
}

class Reader implements Trace {
  readonly #of: string | undefined;
  readonly #gone: () => void;
  readonly #queue = new Ring<Waiting>();
  #octets = 0;
  #lost = 0;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(of: string | undefined, gone: () => void) {
    this.#of = of;
    this.#gone = gone;
  }

  offer(item: Waiting, octets: number): void {
    const named = this.#of === undefined || item.kind === "data";
    if (!named && !namesOf(item).includes(this.#of)) return;
    const full = this.#queue.length >= QUEUE_LIMIT.items ||
      this.#octets + octets > QUEUE_LIMIT.octets;
    // What was lost is told before what comes next; until all that waits was taken, nothing does.
    if (full || this.#lost > 0) this.#lost++;
    else {
      this.#queue.push(item);
      this.#octets += octets;
    }
    this.#signal();
  }

  /** So many were lost before they came here. */
  miss(count: number): void {
    if (count === 0) return;
    this.#lost += count;
    this.#signal();
  }

  async next(): Promise<Traced | undefined> {
    while (this.#queue.length === 0 && this.#lost === 0 && !this.#ended) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const item = this.#queue.shift();
    if (item) {
      if (item.kind === "event") return item;
      this.#octets -= item.kind === "data" ? item.head.length : item.data.length;
      return item.kind === "data" ? item : read(item);
    }
    const count = this.#lost;
    this.#lost = 0;
    return count > 0 ? { kind: "lost", count } : undefined;
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    this.#gone();
    this.#signal();
  }

  #signal(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}

/** A message as the fields of a log line: which AVPs it had, and what those say that are short. */
function lineOf({ dropped, message, path, peer, state, tunnel }: TracedMessage): Row {
  const { avps = [], connectionId, ns, nr, sessionId, type, version } = message ?? {};
  const said = avps.map(({ name, problem, secret, type, value, vendorId }) => {
    const what = name ?? `${vendorId}/${type}`;
    if (secret || problem !== undefined) return what;
    const text = typeof value === "object" ? JSON.stringify(value) : String(value);
    return text.length <= 64 ? `${what}=${text}` : what;
  });
  return {
    ...(tunnel !== undefined && { tunnel }),
    ...(peer !== undefined && { peer }),
    remote: formatEndpoint(path.remote),
    ...(message && { type: type!, version: version!, id: connectionId! }),
    ...(sessionId && { session: sessionId }),
    ...(message && { ns: ns!, nr: nr! }),
    ...(said.length > 0 && { avps: said.join(" ") }),
    ...(state !== undefined && { state }),
    ...(dropped !== undefined && { dropped }),
  };
}

/** What somebody may call it by. */
function namesOf(item: Exclude<Waiting, TracedPacket>): readonly (string | undefined)[] {
  if (item.kind === "message") return [item.tunnel, item.peer, item.path.remote.address];
  const { event } = item;
  if (event.type === "session-state") return [event.tunnel];
  if (event.type !== "failure") return [event.tunnel, event.peer];
  return [event.tunnel, event.peer, event.remote.replace(/^\[?(.*?)\]?:\d+$/, "$1")];
}

function read({ data, hidingKey, ...seen }: Seen): TracedMessage {
  const octets = withoutSecrets(data);
  try {
    return { ...seen, message: decodeMessage(data, hidingKey), octets };
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    return { ...seen, octets };
  }
}
