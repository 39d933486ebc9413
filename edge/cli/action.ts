/** What the command line can ask for. @module */

/** What can be shown. */
export type Showable =
  | "tunnel"
  | "session"
  | "peer"
  | "circuit"
  | "view"
  | "config"
  | "down"
  | "drops"
  | "failures"
  | "datapath";

/** The shells that can be helped. */
export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = typeof shells[number];

/** What to do. `words` are the keywords and values that followed. */
export type Action =
  | { readonly do: "run"; readonly config?: string }
  | { readonly do: "check"; readonly config?: string }
  | {
    readonly do: "show";
    readonly what: Showable;
    readonly words: readonly string[];
    readonly details: boolean;
    /** `wide`, or the columns to show. */
    readonly output?: string;
    /** Shown again and again, every so many seconds. */
    readonly watch?: number;
  }
  | { readonly do: "events" | "manual" | "version" }
  | { readonly do: "completion"; readonly shell: Shell }
  | {
    readonly do: "add" | "set" | "del";
    readonly what: "tunnel" | "session" | "peer";
    readonly words: readonly string[];
  }
  | { readonly do: "set-log"; readonly words: readonly string[] }
  | {
    readonly do: "port";
    readonly verb: "add" | "set" | "del";
    /** The switch. */
    readonly of: string;
    readonly name: string;
    readonly words: readonly string[];
  }
  | { readonly do: "do"; readonly word?: string; readonly words: readonly string[] }
  | {
    readonly do: "trace";
    readonly of?: string;
    /** Where a capture file goes; `-`: to standard output. */
    readonly pcapng?: string;
    readonly count?: number;
    /** Data packets too: so many octets of each. */
    readonly data?: number;
  }
  | {
    readonly do: "reload";
    readonly dryRun: boolean;
    readonly force: boolean;
    /** Seconds. */
    readonly confirm?: number;
  }
  | { readonly do: "web"; readonly port: number }
  | { readonly do: "save" | "confirm" };

/** Options that every command takes. */
export interface GlobalOptions {
  /** `http://host:port` or `unix:/path`. */
  readonly url?: string;
  readonly tokenFile?: string;
  readonly json: boolean;
}
