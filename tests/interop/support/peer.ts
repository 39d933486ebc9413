/** Implementations of others, as the tests of the control connection see them. @module */

/** A peer that runs in a place of its own. */
export interface Peer {
  /** All that it said so far. */
  log(): Promise<string>;
  /** How many calls it has up; undefined where it does not tell. */
  calls?(): Promise<number>;
  /** Has it end a call or more; undefined where it cannot be told to. */
  endCalls?(): Promise<void>;
  /** Has it end all of its tunnels with a StopCCN. @returns whether it ended itself with them */
  endTunnels(): Promise<"ended" | "running">;
}
