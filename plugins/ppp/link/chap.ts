/** CHAP with MD5 (RFC 1994) and MS-CHAPv2 (RFC 2759), both ends. @module */

import { concat, equalBytes } from "../../../core/wire/bytes.ts";
import { createHash, timingSafeEqual } from "node:crypto";
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
import {
  authenticatorResponse,
  CHALLENGE_LENGTH,
  emitResponse,
  ntPasswordHash,
  ntResponse,
  RESPONSE_LENGTH,
} from "./mschapv2.ts";
import { emitPacket, type Packet, Protocol } from "./wire.ts";

const Code = { Challenge: 1, Response: 2, Success: 3, Failure: 4 } as const;
const MD5_LENGTH = 16;

/** CHAP's algorithms, by the authenticator's names for them. */
export type ChapKind = "chap-md5" | "mschapv2";

/** What Challenge and Response packets hold (RFC 1994 §4.1). */
export interface ChapValue {
  readonly value: Uint8Array;
  readonly name: Uint8Array;
}

/** Reads the data of a Challenge or Response; undefined where it is none: a value has at least one octet. Views. */
export function parseChapValue(data: Uint8Array): ChapValue | undefined {
  const length = data[0];
  if (!length || data.length < 1 + length) return undefined;
  return { value: data.subarray(1, 1 + length), name: data.subarray(1 + length) };
}

/** The data of a Challenge or Response. */
export function emitChapValue({ value, name }: ChapValue): Uint8Array {
  return concat([Uint8Array.of(value.length), value, name]);
}

/** The Response Value of CHAP with MD5 (RFC 1994 §4.1): over identifier, secret and challenge. */
export function md5Response(id: number, secret: Uint8Array, challenge: Uint8Array): Uint8Array {
  const hash = createHash("md5").update(Uint8Array.of(id)).update(secret).update(challenge);
  return new Uint8Array(hash.digest());
}

/** The end that asks. */
export class ChapChecker implements Checker {
  readonly protocol = Protocol.Chap;
  deadline: number | undefined;
  readonly #kind: ChapKind;
  readonly #name: string;
  readonly #random: (length: number) => Uint8Array;
  readonly #sink: CheckerSink;
  readonly #againMs: number;
  #id = 0;
  #challenge = new Uint8Array();
  #tries = 0;
  #asked = false;
  #answer: Uint8Array | undefined;
  /** It has been let in, and is left alone for a while. */
  #resting = false;

  /**
   * @param name what we call ourselves in a Challenge
   * @param againMs milliseconds until a client that was let in is challenged again, a quarter more or less; 0: never
   */
  constructor(
    kind: ChapKind,
    name: string,
    random: (length: number) => Uint8Array,
    sink: CheckerSink,
    againMs = 0,
  ) {
    this.#kind = kind;
    this.#name = name;
    this.#random = random;
    this.#sink = sink;
    this.#againMs = againMs;
  }

  start(now: number): void {
    this.#id = this.#random(1)[0]!;
    this.#challenge = new Uint8Array(this.#random(CHALLENGE_LENGTH));
    this.#send(now);
  }

  /** RFC 1994 §2: another identifier, the next one, and another challenge. */
  #again(now: number): void {
    this.#resting = this.#asked = false;
    this.#answer = undefined;
    this.#tries = 0;
    this.#id = (this.#id + 1) & 0xff;
    this.#challenge = new Uint8Array(this.#random(CHALLENGE_LENGTH));
    this.#send(now);
  }

  adopt(asked: Asked, id: number): void {
    this.#id = id;
    this.#asked = true;
    this.#sink.asked(asked, id);
  }

  input({ code, id, data }: Packet): void {
    if (code !== Code.Response) return this.#sink.ignored("a CHAP packet that is no response");
    if (id !== this.#id) return this.#sink.ignored("a CHAP response to another challenge");
    // Our answer was lost, or is not there yet: the same again, whatever is said now (§4.2).
    if (this.#asked) return this.#answer && this.#sink.send(this.protocol, this.#answer);
    const response = parseChapValue(data);
    if (response?.value.length !== (this.#kind === "mschapv2" ? RESPONSE_LENGTH : MD5_LENGTH)) {
      return this.#sink.ignored("a CHAP response of the wrong length");
    }
    this.#asked = true;
    this.deadline = undefined;
    this.#sink.asked({
      kind: this.#kind,
      name: response.name.slice(),
      id,
      challenge: this.#challenge,
      response: response.value.slice(),
    }, id);
  }

  timeout(now: number): void {
    if (this.deadline === undefined || now < this.deadline) return;
    this.deadline = undefined;
    if (this.#resting) return this.#again(now);
    if (this.#tries < MAX_TRIES) return this.#send(now);
    this.#sink.silent(this.protocol, "the client does not answer the challenge");
  }

  accept(message: string, now: number): void {
    if (!this.#asked || this.#answer) return;
    this.#tell(Code.Success, message);
    this.postpone(now);
  }

  reject(message: string): void {
    if (this.#asked && !this.#answer) this.#tell(Code.Failure, message);
  }

  postpone(now: number): void {
    if (this.#againMs === 0) return;
    this.#resting = true;
    // Many that came at once are not challenged at once.
    this.deadline = now + this.#againMs * (0.75 + this.#random(1)[0]! / 512);
  }

  #send(now: number): void {
    this.#tries++;
    this.deadline = now + REPEAT_MS;
    const data = emitChapValue({ value: this.#challenge, name: octetsOf(this.#name) });
    this.#sink.send(this.protocol, emitPacket({ code: Code.Challenge, id: this.#id, data }));
  }

  #tell(code: number, message: string): void {
    const data = new TextEncoder().encode(message).subarray(0, 1000);
    this.#answer = emitPacket({ code, id: this.#id, data });
    this.#sink.send(this.protocol, this.#answer);
  }
}

/** The end that proves itself. It may be asked again at any time. */
export class ChapProver implements AuthEnd {
  readonly protocol = Protocol.Chap;
  deadline: number | undefined;
  readonly #kind: ChapKind;
  readonly #credentials: Credentials;
  readonly #random: (length: number) => Uint8Array;
  readonly #sink: ProverSink;
  /** The last challenge, and what was answered. */
  #said: {
    readonly id: number;
    readonly challenge: Uint8Array;
    readonly packet: Uint8Array;
    readonly proof: string;
  } | undefined;
  #accepted = false;

  constructor(
    kind: ChapKind,
    credentials: Credentials,
    random: (length: number) => Uint8Array,
    sink: ProverSink,
  ) {
    this.#kind = kind;
    this.#credentials = credentials;
    this.#random = random;
    this.#sink = sink;
  }

  start(now: number): void {
    this.deadline = now + REPEAT_MS * MAX_TRIES;
  }

  input({ code, id, data }: Packet): void {
    if (code === Code.Challenge) return this.#challenged(id, data);
    if (!this.#said || id !== this.#said.id || (code !== Code.Success && code !== Code.Failure)) {
      return this.#sink.ignored("a CHAP packet that answers nothing");
    }
    this.deadline = undefined;
    const text = printable(data);
    if (code === Code.Failure) {
      return this.#sink.refused(
        this.protocol,
        `the peer refuses our name or secret${text ? `: ${text}` : ""}`,
      );
    }
    if (this.#kind === "mschapv2" && !proves(data, this.#said.proof)) {
      return this.#sink.refused(this.protocol, "the peer cannot prove that it knows our secret");
    }
    if (this.#accepted) return;
    this.#accepted = true;
    this.#sink.accepted(text);
  }

  timeout(now: number): void {
    if (this.deadline === undefined || now < this.deadline) return;
    this.deadline = undefined;
    this.#sink.refused(
      this.protocol,
      this.#said
        ? "the peer does not say whether our answer is right"
        : "the peer sends no challenge",
    );
  }

  #challenged(id: number, data: Uint8Array): void {
    const challenge = parseChapValue(data)?.value;
    if (!challenge || (this.#kind === "mschapv2" && challenge.length !== CHALLENGE_LENGTH)) {
      return this.#sink.ignored("a CHAP challenge of the wrong length");
    }
    const said = this.#said;
    // A repetition is answered as it was the first time: the peer may have the first answer already.
    if (said?.id === id && equalBytes(said.challenge, challenge)) {
      return this.#sink.send(this.protocol, said.packet);
    }
    const name = octetsOf(this.#credentials.name);
    const { proof, value } = this.#answer(id, challenge, name);
    const packet = emitPacket({ code: Code.Response, id, data: emitChapValue({ value, name }) });
    this.#said = { id, challenge: challenge.slice(), packet, proof };
    this.#sink.send(this.protocol, packet);
  }

  #answer(
    id: number,
    challenge: Uint8Array,
    name: Uint8Array,
  ): { value: Uint8Array; proof: string } {
    const { secret } = this.#credentials;
    if (this.#kind === "chap-md5") {
      return { value: md5Response(id, new TextEncoder().encode(secret), challenge), proof: "" };
    }
    const peerChallenge = this.#random(CHALLENGE_LENGTH);
    const hash = ntPasswordHash(secret);
    const response = {
      peerChallenge,
      ntResponse: ntResponse(challenge, peerChallenge, name, hash),
    };
    return {
      value: emitResponse(response),
      proof: authenticatorResponse(challenge, response, name, hash),
    };
  }
}

/** Whether a Success packet begins with what only who knows the secret can say (RFC 2759 §5). */
function proves(data: Uint8Array, proof: string): boolean {
  const expected = new TextEncoder().encode(proof);
  return data.length >= expected.length &&
    timingSafeEqual(data.subarray(0, expected.length), expected);
}
