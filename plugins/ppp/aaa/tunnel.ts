/** Where a call is to be carried, as RADIUS says it (RFC 2868). @module */

/** An LNS to carry a call to. Holds a password: a secret. */
export interface TunnelTarget {
  /** The tag that its attributes shared, 0 to 31; 0: none. */
  readonly tag: number;
  /** Tunnel-Type by its number; 3: L2TP. */
  readonly type: number;
  /** Tunnel-Server-Endpoint: an address, a name, or what the operator calls the peer. */
  readonly server: string;
  /** Tunnel-Client-Endpoint: our own address. */
  readonly client?: string;
  /** Tunnel-Password, in clear. */
  readonly password?: Uint8Array;
  /** Tunnel-Assignment-ID: calls with one id may share a tunnel. */
  readonly assignmentId?: string;
  /** Tunnel-Preference: lower is better; absent: after all that have one. */
  readonly preference?: number;
  /** Tunnel-Client-Auth-ID: what we call ourselves. */
  readonly clientAuthId?: string;
  /** Tunnel-Server-Auth-ID: what the LNS must call itself. */
  readonly serverAuthId?: string;
  /** Tunnel-Private-Group-ID. */
  readonly privateGroupId?: Uint8Array;
}
