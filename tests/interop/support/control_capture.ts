/** tshark as a judge of control messages. @module */

import assert from "node:assert/strict";
import { tshark } from "./tshark.ts";

/** Message types by their numbers (RFC 2661 §3.2, RFC 3931 §3.1, §6.15). */
const types: Readonly<Record<string, string>> = {
  1: "SCCRQ",
  2: "SCCRP",
  3: "SCCCN",
  4: "StopCCN",
  6: "HELLO",
  7: "OCRQ",
  8: "OCRP",
  9: "OCCN",
  10: "ICRQ",
  11: "ICRP",
  12: "ICCN",
  14: "CDN",
  15: "WEN",
  16: "SLI",
  20: "ACK",
};

/** A control message as tshark reads it. */
export interface ControlMessage {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly from: string;
  /** Its Message Type; a message without AVPs is a "ZLB". */
  readonly type: string;
  readonly ns: number;
  readonly nr: number;
  readonly connectionId: number;
  /** The Result Code and the Error Code of a StopCCN or CDN. */
  readonly result: number | undefined;
  readonly error: number | undefined;
  /** All complaints: malformed packets, protocol violations, wrong digests, wrong checksums. */
  readonly expert: string;
  /** Whether it has a Message Digest AVP. */
  readonly signed: boolean;
}

const fields = [
  "frame.time_epoch",
  "ip.src",
  "ipv6.src",
  "l2tp.avp.message_type",
  "l2tp.Ns",
  "l2tp.Nr",
  "l2tp.tunnel",
  "l2tp.ccid",
  "l2tp.result_code",
  "l2tp.avp.error_code",
  "_ws.expert.message",
  "l2tp.avp.type",
] as const;

/** The control messages that a capture has by now. With `secret`, tshark computes every digest of L2TPv3 anew. */
export async function controlMessages(
  file: string,
  options: { readonly secret?: string } = {},
): Promise<ControlMessage[]> {
  const preferences = [
    "ip.check_checksum:TRUE",
    "udp.check_checksum:TRUE",
    ...(options.secret === undefined ? [] : [`l2tp.shared_secret:${options.secret}`]),
  ];
  const text = await tshark(
    file,
    ...["-Y", "l2tp.type == 1"],
    ...preferences.flatMap((preference) => ["-o", preference]),
    ...["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a"],
    ...fields.flatMap((field) => ["-e", field]),
  );
  return text.split("\n").filter((line) => line !== "").map((line) => {
    const [time, ip4, ip6, type, ns, nr, tunnel, ccid, result, error, expert, avps] = line.split(
      "\t",
    );
    return {
      time: Number(time) * 1000,
      from: ip4 || ip6!,
      type: type ? types[type] ?? type : "ZLB",
      ns: Number(ns),
      nr: Number(nr),
      connectionId: Number(tunnel || ccid),
      result: result ? Number(result) : undefined,
      error: error ? Number(error) : undefined,
      expert: expert ?? "",
      signed: avps?.split(",").includes("59") ?? false,
    };
  });
}

/** Asserts that tshark has nothing to say against any of `messages`. */
export function assertClean(messages: readonly ControlMessage[]): void {
  assert(messages.length > 0, "no control message was captured");
  const wrong = messages.filter(({ expert }) => expert !== "");
  assert.deepStrictEqual(wrong.map(({ type, expert }) => `${type}: ${expert}`), []);
}
