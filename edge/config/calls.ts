/** Calls of the file: those that a peer may place, and those that a tunnel places. @module */

import type { ProtoVersion, PseudowireType } from "../../core/pseudowire.ts";
import type { CallConfig } from "./model.ts";
import { callOptions } from "./attributes.ts";
import { checkPayload } from "./checks.ts";
import { checkCircuit } from "./circuit.ts";
import type { PlacedCall } from "./conflicts.ts";
import {
  acceptListSchema,
  acceptSchema,
  type CallFile,
  placedCallSchema,
} from "./control_schema.ts";
import { readOptions } from "./option.ts";
import type { Path } from "./problem.ts";
import { asObject, directionsOf, type ParseOptions, readCircuit } from "./reading.ts";
import type { Report } from "./report.ts";
import { mapSchema } from "./schema.ts";

/** Reads a peer's `accept:`. @param version as that of {@linkcode readPlacedCalls} */
export function readAccept(
  value: unknown,
  version: ProtoVersion | undefined,
  path: Path,
  options: ParseOptions,
  report: Report,
): PlacedCall[] {
  const calls: PlacedCall[] = [];
  const seen = new Map<string, number>();
  const entries = report.check(acceptListSchema, value ?? [], path) ?? [];
  for (const [index, entry] of entries.entries()) {
    const own = [...path, index];
    const circuit = readOwnCircuit(entry, own, options, report);
    const file = report.check(acceptSchema, entry, own);
    if (!file) continue;
    const call = buildCall(file.name, "", version ?? 3, file, circuit);
    if (version !== undefined) checkCall(call, version, own, options, report);
    const key = JSON.stringify([call.name, call.pseudowireType]);
    const other = seen.get(key);
    if (other === undefined) seen.set(key, index);
    else {
      report.add(
        own,
        `never used, for accept[${other}] has the same name and pw-type; expected others`,
      );
    }
    calls.push({ path: own, session: call });
  }
  return calls;
}

/**
 * Reads a tunnel's `sessions:`.
 *
 * @param version the peer's; undefined where the peer is not known, and what depends on the version is not checked
 */
export function readPlacedCalls(
  value: unknown,
  version: ProtoVersion | undefined,
  path: Path,
  options: ParseOptions,
  report: Report,
): PlacedCall[] {
  const calls: PlacedCall[] = [];
  const entries = report.check(mapSchema, value ?? {}, path) ?? {};
  for (const [name, entry] of Object.entries(entries)) {
    const own = [...path, name];
    report.checkName(name, own);
    const circuit = readOwnCircuit(entry, own, options, report);
    const file = report.check(placedCallSchema, entry ?? {}, own);
    if (!file) continue;
    const call = buildCall(name, file["remote-end-id"] ?? name, version ?? 3, file, circuit);
    const session = file.direction === "outgoing" ? { ...call, direction: file.direction } : call;
    if (version !== undefined) checkCall(session, version, own, options, report);
    calls.push({ path: own, session });
  }
  return calls;
}

function readOwnCircuit(
  entry: unknown,
  path: Path,
  options: ParseOptions,
  report: Report,
): CallConfig["circuit"] {
  return readCircuit(asObject(entry)?.["circuit"], options, [...path, "circuit"], report);
}

function buildCall(
  name: string,
  remoteEndId: string,
  version: ProtoVersion,
  file: CallFile,
  circuit: CallConfig["circuit"],
): CallConfig {
  const { fields } = readOptions(callOptions, version, { ...file, ...directionsOf(file.seq) });
  return { name, remoteEndId, ...fields, ...(circuit && { circuit }) };
}

function checkCall(
  call: CallConfig,
  version: ProtoVersion,
  path: Path,
  { plugins }: ParseOptions,
  report: Report,
): void {
  if (version === 2 && call.cookieSize > 0) {
    report.add([...path, "cookie-size"], "L2TPv2 has no cookies; leave it out");
  }
  const problems = checkPayload(call, version);
  report.addProblems(problems, path);
  if (problems.length === 0) report.addProblems(checkCircuit(call, plugins), path);
}

/** A call that no file speaks of. @param name what the peer shall know it by */
export function plainCall(
  name: string,
  version: ProtoVersion,
  pseudowireType: PseudowireType,
  { sequencing }: { readonly sequencing: boolean },
): CallConfig {
  const { fields } = readOptions(callOptions, version, directionsOf(sequencing ? "both" : "none"));
  return { name, remoteEndId: name, ...fields, pseudowireType };
}
