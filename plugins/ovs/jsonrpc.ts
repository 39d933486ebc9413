/** JSON-RPC 1.0 as OVSDB speaks it (RFC 7047 §4): values that follow each other on a stream, without separators. @module */

import type { Json } from "../plugin.ts";

/** The longest value that is read, in bytes. */
const MAX_VALUE = 16 << 20;

/** Cuts a stream of bytes into JSON values. */
export class JsonStream {
  #text = "";
  #depth = 0;
  #at = 0;
  #inString = false;
  #escaped = false;
  readonly #decoder = new TextDecoder();

  /** The values that are whole now. @throws {Error} where it is no JSON, or a value is too long */
  take(bytes: Uint8Array): Json[] {
    this.#text += this.#decoder.decode(bytes, { stream: true });
    const values: Json[] = [];
    for (; this.#at < this.#text.length; this.#at++) {
      const char = this.#text[this.#at]!;
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (char === "\\") this.#escaped = true;
        else if (char === '"') this.#inString = false;
      } else if (char === '"') this.#inString = true;
      else if (char === "{" || char === "[") this.#depth++;
      else if ((char === "}" || char === "]") && --this.#depth === 0) {
        values.push(JSON.parse(this.#text.slice(0, this.#at + 1)));
        this.#text = this.#text.slice(this.#at + 1);
        this.#at = -1;
      }
    }
    if (this.#text.length > MAX_VALUE) throw new Error(`a value has more than ${MAX_VALUE} bytes`);
    return values;
  }
}

/** A message, either way. */
interface Message {
  readonly id?: Json;
  readonly method?: string;
  readonly params?: Json;
  readonly result?: Json;
  readonly error?: Json;
}

/** A connection to a server. */
export class JsonRpc {
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  readonly #notified: (method: string, params: Json) => void;
  readonly #stream = new JsonStream();
  readonly #waiting = new Map<number, PromiseWithResolvers<Json>>();
  #ids = 0;
  #closed = false;

  /** @param notified is told what the server says unasked */
  constructor(
    write: (bytes: Uint8Array) => Promise<void>,
    notified: (method: string, params: Json) => void,
  ) {
    this.#write = write;
    this.#notified = notified;
  }

  /** Takes what the server sent. @throws {Error} where that is no JSON */
  received(bytes: Uint8Array): void {
    for (const value of this.#stream.take(bytes)) this.#take(value as Message);
  }

  /** Asks. Rejects with what the server says against it, or where the connection ends. */
  async ask(method: string, params: Json): Promise<Json> {
    if (this.#closed) throw new Error("the connection is closed");
    const id = ++this.#ids;
    const answer = Promise.withResolvers<Json>();
    this.#waiting.set(id, answer);
    answer.promise.catch(() => {}); // it is awaited below, unless the write fails
    await this.#send({ method, params, id });
    return await answer.promise;
  }

  /** Nothing more comes. */
  close(): void {
    this.#closed = true;
    for (const answer of this.#waiting.values()) answer.reject(new Error("the connection closed"));
    this.#waiting.clear();
  }

  #take({ error, id, method, params = [], result = null }: Message): void {
    if (method === "echo") {
      this.#send({ id: id ?? null, result: params, error: null }).catch(() => {});
    } else if (method !== undefined) this.#notified(method, params);
    else {
      const answer = this.#waiting.get(Number(id));
      this.#waiting.delete(Number(id));
      if (error !== null && error !== undefined) answer?.reject(new Error(JSON.stringify(error)));
      else answer?.resolve(result);
    }
  }

  async #send(message: Message): Promise<void> {
    await this.#write(new TextEncoder().encode(JSON.stringify(message)));
  }
}
