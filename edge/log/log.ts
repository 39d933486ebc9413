/**
 * Structured log lines: logfmt for people (`text`) or one JSON object a line (`json`). Lines and values are bounded;
 * values under the names of secrets are never written.
 *
 * @module
 */

import type { Log } from "../../plugins/host/leaves.ts";
import type { Json } from "../../plugins/plugin.ts";
import { hidden, isSecretKey } from "../config/secrets.ts";
import type { Config } from "../config/model.ts";
import { printable, quoted } from "./printable.ts";

/** The longest value and the longest line, in UTF-16 units; what is longer is cut and ends in `…`. */
const MAX_VALUE = 1024;
const MAX_LINE = 8192;

const levels = ["debug", "info", "warn", "error"] as const;
type Level = typeof levels[number];

/** A log whose lines can be given more fields, and whose settings can change while it is used. */
export interface Logger extends Log {
  /** The same log, with `fields` in every line. */
  with(fields: Record<string, Json>): Logger;
  /** Changes level and format of this log and all that were made from it. */
  configure(settings: Config["log"]): void;
  /** Whether some tunnel or peer has a level of its own. */
  readonly particular: boolean;
  /** Whether a tunnel or a peer of these names has a level of its own, `debug`. */
  debugs(...names: readonly (string | undefined)[]): boolean;
}

/** Where lines go to, and the wall clock, for tests. */
export interface LogOptions {
  /** Takes one line with its line feed. Standard error by default, at once. */
  readonly write?: (line: string) => void;
  /** Unix milliseconds. */
  readonly now?: () => number;
  /** Whether lines begin with their priority, as journald wants it (sd-daemon(3)): `<4>`. */
  readonly priorities?: boolean;
}

/** What journald calls the levels: warnings are 4. */
const priorities: Readonly<Record<Level, string>> = {
  debug: "<7>",
  info: "<6>",
  warn: "<4>",
  error: "<3>",
};

/** A log. */
export function makeLog(settings: Config["log"], options: LogOptions = {}): Logger {
  const { write = writeStderr, now = Date.now } = options;
  const shared = sharedOf(settings);

  const log = (bound: Record<string, Json>): Logger => {
    const at = (level: Level) => (message: string, fields: Record<string, Json> = {}) => {
      const { own, settings } = shared;
      const least = own && ownLevel(own, { ...bound, ...fields }) || settings.level;
      if (levels.indexOf(level) < levels.indexOf(least)) return;
      const time = new Date(now()).toISOString();
      const record = { time, level, message, ...visible({ ...bound, ...fields }) };
      const line = settings.format === "json" ? jsonLine(record) : textLine(record);
      write((options.priorities ? priorities[level] : "") + cut(line, MAX_LINE) + "\n");
    };
    return {
      debug: at("debug"),
      info: at("info"),
      warn: at("warn"),
      error: at("error"),
      with: (fields) => log({ ...bound, ...fields }),
      configure: (settings) => void Object.assign(shared, sharedOf(settings)),
      get particular() {
        return shared.own !== undefined;
      },
      debugs: (...names) =>
        names.some((name) => name !== undefined && shared.own?.get(name) === "debug"),
    };
  };
  return log({});
}

/** Levels of their own, by the name of a tunnel or a peer; undefined: nobody has one, which costs nothing. */
type OwnLevels = ReadonlyMap<string, Level> | undefined;

function sharedOf(settings: Config["log"]): { settings: Config["log"]; own: OwnLevels } {
  const own = new Map(Object.entries(settings.levels ?? {}));
  return { settings, own: own.size > 0 ? own : undefined };
}

/** The level of the tunnel or the peer that a line is about, where it has one of its own: the tunnel's first. */
function ownLevel(
  own: NonNullable<OwnLevels>,
  { path, peer, tunnel }: Record<string, Json>,
): Level | undefined {
  const [, kind, inPath] = /^(tunnels|peers)\/([^/]+)/.exec(String(path)) ?? [];
  const names = kind === "tunnels" ? [inPath, tunnel, peer] : [tunnel, inPath, peer];
  for (const name of names) {
    const level = typeof name === "string" ? own.get(name) : undefined;
    if (level) return level;
  }
}

type LogRecord = { time: string; level: Level; message: string } & Record<string, Json>;

/** A JSON line stays JSON when it is too long: the fields go, the message stays. */
function jsonLine(record: LogRecord): string {
  const line = printable(JSON.stringify(record));
  if (line.length <= MAX_LINE) return line;
  const { time, level, message } = record;
  return printable(
    JSON.stringify({ time, level, message: cut(message, MAX_VALUE), truncated: true }),
  );
}

function textLine({ time, level, message, ...fields }: LogRecord): string {
  const pairs = Object.entries(fields).map(([key, value]) => ` ${key}=${textValue(value)}`);
  return `${time} ${level.padEnd(5)} ${printable(message)}${pairs.join("")}`;
}

function textValue(value: Json): string {
  if (typeof value !== "string") return printable(JSON.stringify(value));
  return /^[^\s"=\\\p{C}]+$/u.test(value) ? value : quoted(value);
}

/** Fields as they may be shown: without secrets, and none too long. */
function visible(fields: Record<string, Json>): Record<string, Json> {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      key,
      isSecretKey(key) ? hidden : typeof value === "string" ? cut(value, MAX_VALUE) : value,
    ]),
  );
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : text.slice(0, length - 1) + "…";
}

const encoder = new TextEncoder();

function writeStderr(line: string): void {
  let bytes = encoder.encode(line);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(Deno.stderr.writeSync(bytes));
  } catch {
    // Nobody reads standard error any more: there is nowhere left to say so.
  }
}
