/**
 * What comes in: whose a datagram is, the connection that takes it, and SCCRQs, which may get a connection of their own.
 *
 * @module
 */

import { messageTypeOf } from "./authenticator.ts";
import type { Connection } from "./connection.ts";
import type { Connections } from "./connections.ts";
import { ErrorCode, StopResult } from "./errors.ts";
import type { Outbox } from "./outbox.ts";
import type { Decision, Request, Requests } from "./requests.ts";
import type { Path } from "./settings.ts";
import { isAcknowledgement } from "./transport.ts";
import { Undecided } from "./undecided.ts";
import { offeredVersion } from "./wire/glance.ts";
import { CONTROL_HEADER, type ControlHeader, tryHeader } from "./wire/header.ts";
import { messageTypes } from "./wire/message.ts";

/** Whose a datagram is, before anything of it is believed. */
export type Sender =
  /** A proven connection's, by its id and path. */
  | "proven"
  /** That of a connection on its way up or down, by its id and path, or an SCCRQ from where a peer is configured. */
  | "expected"
  /** Nobody's yet. */
  | "stranger";

/** Where datagrams come in. */
export class Reception {
  readonly #connections: Connections;
  readonly #requests: Requests;
  readonly #outbox: Outbox;
  readonly #undecided = new Undecided();

  constructor(connections: Connections, requests: Requests, outbox: Outbox) {
    this.#connections = connections;
    this.#requests = requests;
    this.#outbox = outbox;
  }

  /**
   * Whose a datagram is, at next to no cost: so that those of proven connections can go first. Undefined: it was looked
   * at no further, and dropped; {@linkcode receive} would do the same.
   */
  sort(datagram: Uint8Array, path: Path, now: number): Sender | undefined {
    const header = this.#header(datagram, path)?.header;
    if (!header) return undefined;
    const { connectionId, version } = header;
    if (connectionId === 0) {
      const type = messageTypeOf(datagram.subarray(CONTROL_HEADER));
      if (type === messageTypes.StopCCN) return "stranger";
      if (type !== messageTypes.SCCRQ) return this.#outbox.drop("not-a-request");
      const expected = this.#requests.expects(path);
      if (expected !== "nobody") return expected === "named" ? "expected" : "stranger";
      this.#outbox.refuse({ stage: "tunnel", path, reason: "unknown-peer" }, now);
      return this.#outbox.drop("unknown-peer");
    }
    const connection = this.#connections.registry.byId(version, connectionId);
    if (!connection) {
      if (this.#connections.tombstones.has(version, connectionId)) return "stranger";
      return this.#outbox.drop("unknown-connection");
    }
    if (!connection.accepts(path)) return this.#outbox.drop("wrong-source");
    return connection.proven ? "proven" : "expected";
  }

  /** Takes a control message. */
  receive(datagram: Uint8Array, path: Path, now: number): void {
    const parsed = this.#header(datagram, path);
    if (!parsed) return;
    const { body, header } = parsed;
    const message = datagram.subarray(0, CONTROL_HEADER + body.length);
    if (header.connectionId === 0) {
      return this.#receiveUnaddressed(header, body, message, path, now);
    }
    const connection = this.#connections.registry.byId(header.version, header.connectionId);
    if (!connection) return this.#receiveLate(header, body, path, now);
    connection.receive(header, body, message, path, now);
    this.#connections.settle(connection, now);
  }

  /** The header of a datagram; undefined: it is no control message of ours, and was dropped. */
  #header(datagram: Uint8Array, path: Path): ReturnType<typeof tryHeader> {
    // Port 0 answers nobody (RFC 768), and L2TPv2 is at home on UDP only (RFC 2661 §8).
    if (path.encap === "udp" && path.remote.port === 0) return this.#outbox.drop("port-zero");
    const parsed = tryHeader(datagram);
    if (!parsed) return this.#outbox.drop("malformed");
    if (path.encap === "ip" && parsed.header.version === 2) return this.#outbox.drop("v2-over-ip");
    return parsed;
  }

  /** A message for a connection that is no more: one that ended unproven has its last word said again. */
  #receiveLate(
    { connectionId, version }: ControlHeader,
    body: Uint8Array,
    path: Path,
    now: number,
  ): void {
    if (!this.#connections.tombstones.has(version, connectionId)) {
      return this.#outbox.drop("unknown-connection");
    }
    if (isAcknowledgement(version, body)) return;
    const octets = CONTROL_HEADER + body.length;
    const said = this.#connections.tombstones.answer(version, connectionId, path, octets, now);
    if (said) this.#outbox.transmit(said.path, said.lastWord);
    else this.#outbox.drop("unknown-connection");
  }

  /**
   * Decides on a peer that a `connection-requested` told of. False: it waited too long, and asks again if it still wants to.
   */
  decide(request: number, decision: Decision, now: number): boolean {
    const waiting = this.#undecided.take(request, now);
    if (waiting) this.#admit(waiting, decision, now);
    return waiting !== undefined;
  }

  /** A message to connection id 0: an SCCRQ, or a StopCCN of a peer that does not know our id or does not care. */
  #receiveUnaddressed(
    header: ControlHeader,
    body: Uint8Array,
    datagram: Uint8Array,
    path: Path,
    now: number,
  ): void {
    const { version } = header;
    const type = messageTypeOf(body);
    if (type !== messageTypes.SCCRQ && type !== messageTypes.StopCCN) {
      return this.#outbox.drop("not-a-request");
    }
    const request = this.#requests.look(
      { header, body, datagram, path },
      type === messageTypes.SCCRQ,
      now,
    );
    if (!request) return;
    const known = this.#known(request);
    if (type === messageTypes.StopCCN) {
      const meant = known ?? this.#connections.registry.onlyDialed(version, path);
      if (!meant) return this.#outbox.drop("unknown-connection");
      if (!meant.mayBeStoppedUnaddressed(version)) return this.#outbox.drop("unproven-stop");
      meant.receive(header, body, datagram, path, now);
      return this.#connections.settle(meant, now);
    }
    if (known?.answers(body, now)) {
      known.receiveAgain(header, body, datagram, path, now);
      return this.#connections.settle(known, now);
    }
    const verdict = this.#requests.judge(request);
    if (verdict.kind !== "ask") return this.#admit(request, verdict, now);
    const number = this.#undecided.add(request, now);
    if (number === "known") return;
    if (number === "full") return this.#requests.overloaded(request, now);
    const from = this.#requests.introduction(request);
    this.#outbox.event({ type: "connection-requested", request: number, from });
  }

  /** The connection that a message to id 0 is of, by the sender's own id. */
  #known({ body, header, path, seen }: Request): Connection | undefined {
    const { version } = header;
    return this.#connections.registry.addressed(version, path, seen, body) ??
      (offeredVersion(header, seen) === version
        ? undefined
        : this.#connections.registry.addressed(3, path, seen, body));
  }

  /** An SCCRQ was decided on: it gets a connection, unless there is something against it. */
  #admit(request: Request, verdict: Decision, now: number): void {
    const { body, header, path } = request;
    const known = this.#known(request);
    const admitted = this.#requests.admit(request, verdict, now, (loser) => {
      loser.discard({ by: "tie", result: { result: StopResult.AlreadyExists } }, now);
      this.#connections.settle(loser, now);
    });
    if (!admitted) return;
    this.#makeRoom(request, now);
    const { settings, authenticator, message } = admitted;
    const connection = this.#connections.create(settings, path, authenticator, false, now);
    if (!connection) return this.#requests.full(request, admitted);
    connection.accept(header, message, body, now);
    if (known) this.#connections.replace(known, connection);
    this.#requests.opened(request, connection, now);
    this.#connections.registry.meet(connection);
    this.#connections.settle(connection, now);
  }

  /** Makes room for a half-open connection: the oldest goes, and is told why if it ever answers. */
  #makeRoom(request: Request, now: number): void {
    const evicted = this.#requests.makeRoom(request);
    if (!evicted) return;
    evicted.evict({ result: StopResult.GeneralError, error: ErrorCode.NoResources }, now);
    this.#outbox.drop("half-open-limit");
    this.#connections.settle(evicted, now);
  }
}
