/** `peers:` of the file. @module */

import type { z } from "zod";
import type { ProtoVersion } from "../../core/pseudowire.ts";
import type { PeerConfig } from "./model.ts";
import { readAccept } from "./calls.ts";
import type { PlacedCall } from "./conflicts.ts";
import { connectionOptions, peerOptions } from "./peer_attributes.ts";
import { networkSchema, networksSchema, peerSchema } from "./control_schema.ts";
import { zoneProblems } from "./checks.ts";
import { canonicalNetwork } from "./network.ts";
import { readOptions } from "./option.ts";
import type { Path } from "./problem.ts";
import { asObject, type ParseOptions, readSecret, versionOf } from "./reading.ts";
import type { Report } from "./report.ts";
import { mapSchema } from "./schema.ts";

type PeerFile = z.output<typeof peerSchema>;

/** A peer of the file; without a configuration where it is wrong. */
export interface ReadPeer {
  /** Undefined where what it says of it is wrong: then nothing is checked that hangs on it. */
  readonly version: ProtoVersion | undefined;
  readonly config?: PeerConfig;
  /** The calls that it may place. */
  readonly placed: readonly PlacedCall[];
}

/**
 * What peers are told in SCCRQ and SCCRP of framing and bearer (RFC 2661 §4.4.3): both kinds of framing; no bearer,
 * for no calls into a telephone network can be placed.
 */
const capabilities = { framing: 3, bearer: 0 } as const;

/**
 * Every peer of the file by its name, those that are wrong too: tunnels may speak of them. Undefined: it is no map, and
 * nobody knows who is in it.
 */
export function readPeers(
  value: unknown,
  options: ParseOptions,
  report: Report,
): ReadonlyMap<string, ReadPeer> | undefined {
  const entries = report.check(mapSchema, value ?? {}, ["peers"]);
  if (!entries) return undefined;
  const peers = new Map<string, ReadPeer>();
  for (const [name, entry] of Object.entries(entries)) {
    const path = ["peers", name];
    report.checkName(name, path);
    peers.set(name, readPeer(name, entry ?? {}, path, options, report));
  }
  return peers;
}

function readPeer(
  name: string,
  entry: unknown,
  path: Path,
  options: ParseOptions,
  report: Report,
): ReadPeer {
  const raw = asObject(entry) ?? {};
  const version = versionOf(entry);
  const addresses = readAddresses(raw["address"], [...path, "address"], report);
  const placed = readAccept(raw["accept"], version, [...path, "accept"], options, report);
  const file = report.check(peerSchema, entry, path);
  if (!file || version === undefined) return { version, placed };
  const secrets = readSecrets(file, path, options, report);
  checkAuthentication(file, path, report);
  if (file.fallback && version === 2) {
    report.add([...path, "fallback"], "version 2 has nothing to fall back to; leave it out");
  }
  const { fields } = readOptions(connectionOptions, version, file);
  checkRetransmission(fields, file, path, report);
  const config = {
    name,
    addresses,
    ...readOptions(peerOptions, version, file).fields,
    settings: { ...fields, ...secrets, ...capabilities },
    accept: placed.map(({ session }) => session),
  };
  return { version, config, placed };
}

/** One address, or a list of them. */
function readAddresses(value: unknown, path: Path, report: Report): string[] {
  if (value === undefined || value === null) return [];
  const entries: [unknown, Path][] = Array.isArray(value)
    ? (report.check(networksSchema, value, path) ?? []).map((entry, i) => [entry, [...path, i]])
    : [[value, path]];
  return entries.flatMap(([entry, own]) => {
    const text = report.check(networkSchema, entry, own);
    if (text === undefined) return [];
    for (const message of zoneProblems(text)) report.add(own, message);
    return [canonicalNetwork(text)!];
  });
}

function readSecrets(
  file: PeerFile,
  path: Path,
  options: ParseOptions,
  report: Report,
): Pick<PeerConfig["settings"], "secret" | "otherSecret"> {
  const bytes = (name: "secret" | "other-secret"): Uint8Array | undefined => {
    const found = readSecret(name, file, path, options, report);
    const text = found?.key === name ? found.text : found?.text.replace(/\r?\n$/, "");
    if (text !== "") return text === undefined ? undefined : new TextEncoder().encode(text);
    report.add([...path, found!.key], "the file is empty; expected the secret in it");
    return undefined;
  };
  const [secret, otherSecret] = [bytes("secret"), bytes("other-secret")];
  return { ...(secret && { secret }), ...(otherSecret && { otherSecret }) };
}

/** What is of no use without a secret, or in v2. */
function checkAuthentication(file: PeerFile, path: Path, report: Report): void {
  const given = (key: "secret" | "other-secret") =>
    file[key] !== undefined || file[`${key}-file`] !== undefined;
  const other = file["other-secret"] === undefined ? "other-secret-file" : "other-secret";
  if (file["proto-version"] === 2) {
    if (file.digest !== undefined) {
      report.add([...path, "digest"], "L2TPv2 has no message digests; leave it out");
    }
    if (file.authentication !== undefined) {
      report.add([...path, "authentication"], "L2TPv2 knows challenges only; leave it out");
    }
    if (given("other-secret")) {
      report.add([...path, other], "L2TPv2 proves one secret only; leave it out");
    }
  }
  if (file.authentication === "challenge") {
    const unsigned = "authentication is challenge, so nothing is signed; leave it out";
    if (file.digest !== undefined) report.add([...path, "digest"], unsigned);
    if (given("other-secret")) report.add([...path, other], unsigned);
  }
  if (given("secret")) return;
  const needs = "needs a secret; expected secret or secret-file too";
  if (file["hide-avps"]) report.add([...path, "hide-avps"], needs);
  if (file["proto-version"] === 2) return;
  if (file.digest !== undefined) report.add([...path, "digest"], needs);
  if (file.authentication !== undefined) report.add([...path, "authentication"], needs);
  if (given("other-secret")) report.add([...path, other], needs);
}

function checkRetransmission(
  { retransmitMs, retransmitCapMs }: Pick<
    PeerConfig["settings"],
    "retransmitMs" | "retransmitCapMs"
  >,
  file: PeerFile,
  path: Path,
  report: Report,
): void {
  if (retransmitMs <= retransmitCapMs) return;
  const [key, message] = file["retransmit-cap"] === undefined
    ? [
      "retransmit",
      `more than retransmit-cap, which is ${retransmitCapMs / 1000}; expected a larger one too`,
    ]
    : ["retransmit-cap", `less than retransmit, which is ${file.retransmit}; expected no less`];
  report.add([...path, key], message);
}
