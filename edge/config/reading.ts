/** What the sections of the file are read with. @module */

import { dirname, resolve } from "node:path";
import { parseEndpoint } from "../../core/endpoint.ts";
import type { ProtoVersion } from "../../core/pseudowire.ts";
import type { Plugin } from "../../plugins/plugin.ts";
import { type KnownCircuits, parseCircuit } from "./circuit.ts";
import type { CircuitConfig } from "./model.ts";
import type { Path } from "./problem.ts";
import type { Report } from "./report.ts";

/** What a configuration is read with besides its text. */
export interface ParseOptions {
  /** The file's name, for error messages; `token-file` and the like are relative to its folder. */
  readonly file: string;
  /** The plugins that `circuit:` may name. */
  readonly plugins: readonly Plugin[];
  /** What the machine knows. */
  readonly defaults: {
    readonly hostName: string;
    readonly stateFolder?: string;
    /** Where the admin endpoint listens. */
    readonly adminSocket?: string;
  };
  /** The circuits that the file names; read from it. */
  readonly circuits?: KnownCircuits;
  /** Reads a file with a secret in it; absent: such files cannot be had. Throws where the file cannot be read. */
  readonly readFile?: (path: string) => string;
}

/** A map of the document; undefined for anything else. */
export function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? value as Record<string, unknown>
    : undefined;
}

/** The version that a tunnel or peer speaks; undefined where what it says is wrong. */
export function versionOf(entry: unknown): ProtoVersion | undefined {
  const given = asObject(entry)?.["proto-version"] ?? 3;
  return given === 2 || given === 3 ? given : undefined;
}

/** An endpoint that its schema accepted; the port only where one was written. */
export function endpointOf(text: string): { address: string; port: number | undefined } {
  const unwritten = -1;
  const { address, port } = parseEndpoint(text, unwritten)!;
  return { address, port: port === unwritten ? undefined : port };
}

/** The attributes that `seq` stands for. */
export function directionsOf(
  seq: string | undefined,
): { "send-seq"?: boolean; "recv-seq"?: boolean } {
  if (seq === undefined) return {};
  return {
    "send-seq": seq === "send" || seq === "both",
    "recv-seq": seq === "recv" || seq === "both",
  };
}

/** The circuit under `circuit:`; undefined where there is none, or where it is wrong, which is reported. */
export function readCircuit(
  value: unknown,
  { circuits, plugins }: Pick<ParseOptions, "circuits" | "plugins">,
  path: Path,
  report: Report,
): CircuitConfig | undefined {
  if (value === undefined || value === null) return undefined;
  const circuit = parseCircuit(value, plugins, path, circuits);
  if (circuit.ok) return circuit.value;
  for (const issue of circuit.issues) {
    report.add([...path, ...issue.path], issue.message, issue.at);
  }
  return undefined;
}

/**
 * The secret that `section` has under `name`, or in the file under `<name>-file`, and which of the two; undefined where
 * it has none, or where it cannot be had, which is reported.
 */
export function readSecret<Name extends string>(
  name: Name,
  section: { readonly [key in Name | `${Name}-file`]?: string | undefined },
  path: Path,
  { file, readFile }: ParseOptions,
  report: Report,
): { readonly key: Name | `${Name}-file`; readonly text: string } | undefined {
  const key = `${name}-file` as const;
  const [written, secretFile] = [section[name], section[key]];
  if (secretFile === undefined) {
    return written === undefined ? undefined : { key: name, text: written };
  }
  const place = [...path, key];
  if (written !== undefined) {
    report.add(place, `given together with ${name}; expected one of them`);
    return undefined;
  }
  if (!readFile) {
    report.add(place, `files cannot be read here; expected ${name}`);
    return undefined;
  }
  try {
    return { key, text: readFile(resolve(dirname(file), secretFile)) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    report.add(place, `cannot be read: ${reason}; expected a file that holds the ${name}`);
    return undefined;
  }
}
