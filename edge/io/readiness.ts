/**
 * Descriptors of the main isolate that somebody waits for: one epoll instance waits for all of them in a thread of its
 * own. While nothing comes they cost nothing.
 *
 * @module
 */

import { epollDataOffset, epollEventSize, openEpoll, unwatch, watch } from "./epoll.ts";
import { openEventfd, signalEventfd } from "./eventfd.ts";
import { type Buffer, configured, type Libc } from "./libc.ts";

/** All such descriptors of this isolate. */
export interface Readiness {
  /**
   * Calls `ready` whenever `fd` has input, until the result is called: then no more; that resolves when the thread is
   * done with the descriptor, which the caller closes. @throws {IoError}
   */
  watch(fd: number, ready: () => void): () => Promise<void>;
}

const maxEvents = 64;

/** No descriptors yet. */
export function openReadiness(libc: Libc): Readiness {
  return new Descriptors(libc);
}

class Descriptors implements Readiness {
  readonly #libc: Libc;
  readonly #ready = new Map<number, () => void>();
  #lastToken = 0;
  #waiting:
    | { readonly epoll: number; readonly wake: number; readonly over: Promise<void> }
    | undefined;

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  watch(fd: number, ready: () => void): () => Promise<void> {
    const libc = this.#libc;
    const waiting = this.#waiting ??= this.#start();
    const token = this.#lastToken = (this.#lastToken + 1) >>> 0 || 1;
    this.#ready.set(token, ready);
    const stop = async () => {
      if (!this.#ready.delete(token)) return;
      unwatch(libc, waiting.epoll, fd);
      if (this.#ready.size > 0) return;
      this.#waiting = undefined;
      signalEventfd(libc, waiting.wake);
      await waiting.over;
    };
    try {
      watch(libc, waiting.epoll, fd, token);
    } catch (error) {
      void stop();
      throw error;
    }
    return stop;
  }

  #start() {
    const libc = this.#libc;
    let wake = -1;
    const epoll = configured(libc, openEpoll(libc), (epoll) => {
      wake = configured(libc, openEventfd(libc), (wake) => watch(libc, epoll, wake, 0));
    });
    return { epoll, wake, over: this.#wait(epoll, wake) };
  }

  /** Tells of what comes until nobody is there to be told. */
  async #wait(epoll: number, wake: number): Promise<void> {
    const libc = this.#libc;
    const events: Buffer = new Uint8Array(maxEvents * epollEventSize);
    const view = new DataView(events.buffer);
    for (let over = false; !over;) {
      const count = await libc.call.epollWaitLong(epoll, events, maxEvents, -1);
      for (let i = 0; i < count; i++) {
        const token = view.getUint32(i * epollEventSize + epollDataOffset, true);
        if (token === 0) over = true;
        this.#ready.get(token)?.();
      }
    }
    libc.call.close(wake);
    libc.call.close(epoll);
  }
}
