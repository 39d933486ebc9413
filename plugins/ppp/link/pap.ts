/** PAP (RFC 1334 §2), both ends. @module */

import { concat, equalBytes } from "../../../core/wire/bytes.ts";
import type { Asked } from "../aaa/authenticator.ts";
import {
  type AuthEnd,
  type Checker,
  type CheckerSink,
  type Credentials,
  MAX_TRIES,
  octetsOf,
  printable,
  type ProverSink,
  REPEAT_MS,
} from "./auth.ts";
import { emitPacket, type Packet, Protocol } from "./wire.ts";

const Code = { Request: 1, Ack: 2, Nak: 3 } as const;

/** An Authenticate-Request. */
export interface PapRequest {
  readonly name: Uint8Array;
  readonly password: Uint8Array;
}

/** Reads the data of an Authenticate-Request; undefined where it is none. Views. */
export function parsePapRequest(data: Uint8Array): PapRequest | undefined {
  const nameLength = data[0];
  if (nameLength === undefined) return undefined;
  const passwordLength = data[1 + nameLength];
  if (passwordLength === undefined || data.length < 2 + nameLength + passwordLength) {
    return undefined;
  }
  return {
    name: data.subarray(1, 1 + nameLength),
    password: data.subarray(2 + nameLength, 2 + nameLength + passwordLength),
  };
}

/** The data of an Authenticate-Request. */
export function emitPapRequest({ name, password }: PapRequest): Uint8Array {
  return concat([Uint8Array.of(name.length), name, Uint8Array.of(password.length), password]);
}

/** The end that asks: the client is to say its name and password by itself. */
export class PapChecker implements Checker {
  readonly protocol = Protocol.Pap;
  deadline: number | undefined;
  readonly #sink: CheckerSink;
  #asked: { readonly id: number; readonly data: Uint8Array } | undefined;
  #answer: { readonly code: number; readonly message: string } | undefined;

  constructor(sink: CheckerSink) {
    this.#sink = sink;
  }

  start(now: number): void {
    this.deadline = now + REPEAT_MS * MAX_TRIES;
  }

  adopt(asked: Asked, id: number): void {
    if (asked.kind === "pap") this.#asked = { id, data: emitPapRequest(asked) };
    this.#sink.asked(asked, id);
  }

  input({ code, id, data }: Packet): void {
    if (code !== Code.Request) return this.#sink.ignored("a PAP packet that is no request");
    const request = parsePapRequest(data);
    if (!request) return this.#sink.ignored("a PAP request that is cut off");
    if (this.#asked) {
      // Our answer was lost, or is not there yet (§2.2.1): the same answer for the same request, whatever its number.
      if (equalBytes(this.#asked.data, data)) {
        this.#asked = { ...this.#asked, id };
        if (this.#answer) this.#tell();
      } else this.#sink.ignored("a second PAP request that differs from the first");
      return;
    }
    this.deadline = undefined;
    this.#asked = { id, data: data.slice() };
    const { name, password } = request;
    this.#sink.asked({ kind: "pap", name: name.slice(), password: password.slice() }, id);
  }

  timeout(now: number): void {
    if (this.deadline === undefined || now < this.deadline) return;
    this.deadline = undefined;
    this.#sink.silent(this.protocol, "the client sends no PAP request");
  }

  /** PAP asks once. */
  postpone(): void {}

  accept(message: string): void {
    this.#answer = { code: Code.Ack, message };
    this.#tell();
  }

  reject(message: string): void {
    this.#answer = { code: Code.Nak, message };
    this.#tell();
  }

  #tell(): void {
    if (!this.#asked || !this.#answer) return;
    const message = octetsOf(this.#answer.message);
    const data = concat([Uint8Array.of(message.length), message]);
    this.#sink.send(
      this.protocol,
      emitPacket({ code: this.#answer.code, id: this.#asked.id, data }),
    );
  }
}

/** The end that proves itself. */
export class PapProver implements AuthEnd {
  readonly protocol = Protocol.Pap;
  deadline: number | undefined;
  readonly #credentials: Credentials;
  readonly #sink: ProverSink;
  #tries = 0;

  constructor(credentials: Credentials, sink: ProverSink) {
    this.#credentials = credentials;
    this.#sink = sink;
  }

  start(now: number): void {
    this.#tries = 0;
    this.#request(now);
  }

  input({ code, id, data }: Packet): void {
    if (
      this.deadline === undefined || (code !== Code.Ack && code !== Code.Nak) || id !== this.#tries
    ) {
      return this.#sink.ignored("a PAP answer to nothing that was asked");
    }
    // Some send an Ack without a message, and without its length.
    const text = printable(data.subarray(1, 1 + (data[0] ?? 0)));
    this.deadline = undefined;
    if (code === Code.Ack) return this.#sink.accepted(text);
    this.#sink.refused(
      this.protocol,
      `the peer refuses our name or password${text ? `: ${text}` : ""}`,
    );
  }

  timeout(now: number): void {
    if (this.deadline === undefined || now < this.deadline) return;
    this.deadline = undefined;
    if (this.#tries < MAX_TRIES) return this.#request(now);
    this.#sink.refused(this.protocol, "the peer does not answer our PAP request");
  }

  #request(now: number): void {
    this.deadline = now + REPEAT_MS;
    const name = octetsOf(this.#credentials.name);
    const password = octetsOf(this.#credentials.secret);
    const data = emitPapRequest({ name, password });
    this.#sink.send(this.protocol, emitPacket({ code: Code.Request, id: ++this.#tries, data }));
  }
}
