/** Answers without an end: server-sent events (HTML Living Standard §9.2). @module */

/** Silence after which a comment is sent, so that both ends notice a dead connection, in milliseconds. */
const HEARTBEAT_MS = 15_000;

/** What is followed. */
export interface Source<Item> extends Disposable {
  /** The next item; undefined: there will be no more. */
  next(): Promise<Item | undefined>;
}

/** One server-sent event. */
export interface ServerSentEvent {
  /** What a client that comes back says that it knows; by itself it is no event. */
  readonly id?: string;
  readonly event?: string;
  readonly data?: unknown;
}

/** When to stop, and whom to tell. */
export interface FollowOptions {
  /** Aborted when the server stops. */
  readonly ending?: AbortSignal;
  /** Called once, when it has ended, whoever ended it. */
  ended?(): void;
}

/** What comes of a source until it, the reader or the server ends; `greeting` comes first. */
export function follow<Item>(
  source: Source<Item>,
  greeting: string,
  say: (item: Item) => ServerSentEvent,
  { ending, ended = () => {} }: FollowOptions,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  const stop = () => source[Symbol.dispose]();
  const finish = () => {
    ending?.removeEventListener("abort", stop);
    ended();
  };
  ending?.addEventListener("abort", stop, { once: true });
  if (ending?.aborted) stop();
  let pending: Promise<Item | undefined> | undefined;
  let begun = false;
  return new ReadableStream({
    async pull(controller) {
      const send = (text: string) => controller.enqueue(encoder.encode(text));
      if (!begun) {
        begun = true;
        return send(greeting);
      }
      pending ??= source.next();
      const item = await orHeartbeat(pending);
      if (item === "heartbeat") return send(":\n\n");
      pending = undefined;
      if (item !== undefined) return send(textOf(say(item)));
      finish();
      controller.close();
    },
    cancel() {
      finish();
      stop();
    },
  }, { highWaterMark: 0 });
}

/** A comment for people, for the beginning. */
export function commentText(comment: string): string {
  return `: ${comment}\n\n`;
}

/** An event as it is sent. */
export function textOf({ id, event, data }: ServerSentEvent): string {
  const lines = [
    ...id === undefined ? [] : [`id: ${id}`],
    ...event === undefined ? [] : [`event: ${event}`, `data: ${JSON.stringify(data)}`],
  ];
  return `${lines.join("\n")}\n\n`;
}

async function orHeartbeat<T>(pending: Promise<T>): Promise<T | "heartbeat"> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const heartbeat = new Promise<"heartbeat">((resolve) =>
    timer = setTimeout(() => resolve("heartbeat"), HEARTBEAT_MS)
  );
  try {
    return await Promise.race([pending, heartbeat]);
  } finally {
    clearTimeout(timer);
  }
}
