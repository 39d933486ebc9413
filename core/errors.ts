/** Errors by whose fault they are: the peer's, or our caller's. @module */

/** Result codes of StopCCN (RFC 2661 §4.4.2, RFC 3931 §5.4.2). */
export const StopResult = {
  Clear: 1,
  GeneralError: 2,
  AlreadyExists: 3,
  NotAuthorized: 4,
  VersionNotSupported: 5,
  ShuttingDown: 6,
  FsmError: 7,
} as const;

/** Result codes of CDN (RFC 2661 §4.4.2, RFC 3931 §5.4.2). */
export const CdnResult = {
  LossOfCarrier: 1,
  GeneralError: 2,
  Administrative: 3,
  NoFacilitiesNow: 4,
  NoFacilitiesEver: 5,
  InvalidDestination: 6,
  NoCarrier: 7,
  Busy: 8,
  NoDialTone: 9,
  TimedOut: 10,
  NoFraming: 11,
  LostTie: 13,
  UnsupportedPseudowire: 14,
  SequencingWithoutSublayer: 15,
  FsmError: 16,
} as const;

/** General error codes that go with result 2 (RFC 2661 §4.4.2, RFC 3931 §5.4.2). */
export const ErrorCode = {
  None: 0,
  NoControlConnection: 1,
  WrongLength: 2,
  OutOfRange: 3,
  NoResources: 4,
  InvalidSessionId: 5,
  VendorSpecific: 6,
  TryAnother: 7,
  UnknownMandatoryAvp: 8,
  TryAnotherDirected: 9,
} as const;

/** The outcome that a StopCCN or CDN carries. */
export interface Result {
  /** One of {@linkcode StopResult} or {@linkcode CdnResult}, or a number of the peer's. */
  readonly result: number;
  /** One of {@linkcode ErrorCode}. */
  readonly error?: number;
  /** For people. */
  readonly message?: string;
}

/** What a peer did wrong: the only thing that a parser throws. Never holds a secret. */
export class PeerError extends Error {
  override readonly name = "PeerError";
  /**
   * @param error One of {@linkcode ErrorCode}, sent with result code 2.
   * @param avp The IETF's AVP that is wrong or lacking, where it is one.
   */
  constructor(readonly error: number, message: string, readonly avp?: number) {
    super(message);
  }

  /** What to send in the StopCCN or CDN that this error leads to. */
  get outcome(): Result {
    return { result: StopResult.GeneralError, error: this.error, message: this.message };
  }
}

/** What our caller wants said does not fit into an AVP or a message. Nothing has changed. */
export class UnsendableAvp extends Error {
  override readonly name = "UnsendableAvp";
}

/** Our caller asked for what cannot be: a bug on this side, never the peer's doing. */
export class ApiMisuse extends Error {
  override readonly name = "ApiMisuse";
}
