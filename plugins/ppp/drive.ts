/** A link on a port: frames, time and random numbers from a scope. @module */

import type { Scope } from "../scope.ts";
import type { Port, PuntedFrame } from "../ports.ts";
import { Link, type LinkSettings, type LinkSink } from "./link/link.ts";

/** Frames that came before the link began, at most. */
const MAX_EARLY = 8;
/** So long a peer that was only just told to go on may stay silent, in milliseconds. */
const PATIENCE_MS = 1000;

/** A link that is driven: whatever is done with it is done by {@linkcode DrivenLink.run}. */
export interface DrivenLink {
  readonly link: Link;
  /** The link begins: what came before is told to it. */
  begin(start: (link: Link, now: number) => void): void;
  /**
   * The link begins with the peer's first frame, a second from now at the latest: who has only just got its session may
   * not hear us yet, and our first Configure-Request would be lost, and repeated 3 seconds later.
   */
  beginWhenHeard(start: (link: Link, now: number) => void): void;
  /** Does something with the link; what it has to say leaves, and its timer is set. */
  run(work: (link: Link, now: number) => void): void;
}

/** Puts a link on a port, until the scope ends. It does not begin by itself. */
export function driveLink(
  scope: Scope,
  port: Port,
  settings: LinkSettings,
  sink: Omit<LinkSink, "send">,
): DrivenLink {
  let frames: Uint8Array[] = [];
  let early: Uint8Array[] | undefined = [];
  let armed: { readonly at: number; readonly timer: { cancel(): void } } | undefined;
  let depth = 0;
  /** Begins a link that waits for its peer. */
  let heard = () => {};
  const link = new Link(settings, scope.random, {
    ...sink,
    send: (frame) => void frames.push(frame),
  });

  const settle = () => {
    if (frames.length > 0) {
      const batch = frames;
      frames = [];
      port.send(batch);
    }
    const { deadline } = link;
    // A timer that comes too early looks again; only one that would come too late is set anew.
    if (deadline === undefined || (armed && armed.at <= deadline)) return;
    armed?.timer.cancel();
    armed = { at: deadline, timer: scope.timer(deadline, due) };
  };
  const run = (work: (link: Link, now: number) => void) => {
    depth++;
    try {
      work(link, scope.now());
    } finally {
      if (--depth === 0) settle();
    }
  };
  const due = () => {
    armed = undefined;
    run((link, now) => link.timeout(now));
  };
  scope.receive(port, (batch: readonly PuntedFrame[]) => {
    if (early) {
      early.push(...batch.slice(0, MAX_EARLY - early.length).map(({ bytes }) => bytes.slice()));
      return heard();
    }
    run((link, now) => {
      for (const { bytes } of batch) link.input(bytes, now);
    });
  });
  const begin = (start: (link: Link, now: number) => void) =>
    run((link, now) => {
      start(link, now);
      const came = early ?? [];
      early = undefined;
      for (const bytes of came) link.input(bytes, now);
    });
  return {
    link,
    run,
    begin,
    beginWhenHeard(start) {
      const timer = scope.timer(scope.now() + PATIENCE_MS, () => heard());
      heard = () => {
        heard = () => {};
        timer.cancel();
        begin(start);
      };
      if (early && early.length > 0) heard();
    },
  };
}
