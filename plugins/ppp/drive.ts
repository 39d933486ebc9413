/** A link on a port: frames, time and random numbers from a scope. @module */

import type { Scope } from "../scope.ts";
import type { Port, PuntedFrame } from "../ports.ts";
import { type Link, type LinkIo, type LinkSettings, type LinkSink, makeLink } from "./link/link.ts";

/** Frames that came before the link began, at most. */
const MAX_EARLY = 8;
/** So long a peer that was only just told to go on may stay silent, in milliseconds. */
const PATIENCE_MS = 1000;

/** Work with a link, at an instant. */
type Work = (link: Link, now: number) => void;

/** A link that is driven: whatever is done with it is done by {@linkcode DrivenLink.run}. */
export interface DrivenLink {
  readonly link: Link;
  /** The link begins: what came before is told to it. */
  begin(start: Work): void;
  /**
   * The link begins with the peer's first frame, a second from now at the latest: who has only just got its session may
   * not hear us yet, and our first Configure-Request would be lost, and repeated 3 seconds later.
   */
  beginWhenHeard(start: Work): void;
  /** Does something with the link; what it has to say leaves, and its timer is set. */
  run(work: Work): void;
}

/** Puts a link on a port, until the scope ends. It does not begin by itself. */
export function driveLink(
  scope: Scope,
  port: Port,
  settings: LinkSettings,
  sink: LinkSink,
): DrivenLink {
  return new Drive(scope, port, settings, sink);
}

class Drive implements DrivenLink, LinkIo {
  readonly link: Link;
  readonly random: LinkIo["random"];
  readonly #scope: Scope;
  readonly #port: Port;
  /** What leaves when the work that is being done is done. */
  #frames: Uint8Array[] | undefined;
  /** What came before the link began. */
  #early: Uint8Array[] | undefined = [];
  /** Begins a link that waits for its peer. */
  #heard: (() => void) | undefined;
  #timer: { cancel(): void } | undefined;
  #timerAt = Infinity;
  #depth = 0;

  constructor(scope: Scope, port: Port, settings: LinkSettings, sink: LinkSink) {
    this.#scope = scope;
    this.#port = port;
    this.random = scope.random;
    this.link = makeLink(settings, this, sink);
    scope.receive(port, (batch) => this.#received(batch));
  }

  send(frame: Uint8Array): void {
    this.#frames ??= [];
    this.#frames.push(frame);
  }

  run(work: Work): void {
    this.#depth++;
    try {
      work(this.link, this.#scope.now());
    } finally {
      if (--this.#depth === 0) this.#settle();
    }
  }

  begin(start: Work): void {
    this.run((link, now) => {
      start(link, now);
      const came = this.#early ?? [];
      this.#early = undefined;
      for (const bytes of came) link.input(bytes, now);
    });
  }

  beginWhenHeard(start: Work): void {
    const timer = this.#scope.timer(this.#scope.now() + PATIENCE_MS, () => this.#heard?.());
    this.#heard = () => {
      this.#heard = undefined;
      timer.cancel();
      this.begin(start);
    };
    if (this.#early && this.#early.length > 0) this.#heard();
  }

  #received(batch: readonly PuntedFrame[]): void {
    if (this.#early) {
      const room = MAX_EARLY - this.#early.length;
      this.#early.push(...batch.slice(0, room).map(({ bytes }) => bytes.slice()));
      return this.#heard?.();
    }
    this.run((link, now) => {
      for (const { bytes } of batch) link.input(bytes, now);
    });
  }

  #settle(): void {
    const batch = this.#frames;
    this.#frames = undefined;
    if (batch) this.#port.send(batch);
    const { deadline } = this.link;
    // A timer that comes too early looks again; only one that would come too late is set anew.
    if (deadline === undefined || this.#timerAt <= deadline) return;
    this.#timer?.cancel();
    this.#timerAt = deadline;
    this.#timer = this.#scope.timer(deadline, () => {
      this.#timerAt = Infinity;
      this.run((link, now) => link.timeout(now));
    });
  }
}
