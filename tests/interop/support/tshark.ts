/** tshark as a judge of what we send. @module */

import assert from "node:assert/strict";
import { run } from "./process.ts";
import type { Pseudowire } from "./pseudowire.ts";

/** What tshark found in one packet. */
export interface Decoded {
  /** As tshark names them, joined by colons. */
  readonly protocols: string;
  /** All complaints: protocol violations, malformed packets, wrong checksums. */
  readonly expert: string;
  readonly sessionId: number;
  /** Hexadecimal digits. */
  readonly cookie: string;
  /** The S bit of the default L2-Specific Sublayer; undefined without that sublayer. */
  readonly sequenced: boolean | undefined;
  readonly sequence: number | undefined;
}

const fields = [
  "frame.protocols",
  "_ws.expert.message",
  "l2tp.sid",
  "l2tp.cookie",
  "l2tp.l2_spec_s",
  "l2tp.l2_spec_sequence",
] as const;

/** What tshark prints of a capture, which may be under way: a packet that is being written just now is as good as later. */
export async function tshark(file: string, ...options: string[]): Promise<string> {
  const { code, stderr, stdout } = await run(["tshark", "-n", "-r", file, ...options]);
  assert(code === 0 || stderr.includes("cut short"), `tshark -r ${file}: ${code}\n${stderr}`);
  return stdout;
}

/**
 * Decodes the packets of a capture that match a display filter. A static session's shape is nowhere on the wire, so it
 * is told: the cookie's length, the sublayer, and that a pseudowire of unknown type carries Ethernet.
 */
export async function decode(
  file: string,
  { cookie, l2spec, there }: Pick<Pseudowire, "cookie" | "l2spec" | "there">,
  filter: string,
): Promise<Decoded[]> {
  const cookies = { 0: "None", 8: "4 Byte Cookie", 16: "8 Byte Cookie" };
  const preferences = [
    `l2tp.cookie_size:${cookies[cookie.length as keyof typeof cookies]}`,
    `l2tp.l2_specific:${l2spec === "none" ? "None" : "Default L2-Specific"}`,
    "ip.check_checksum:TRUE",
    "udp.check_checksum:TRUE",
  ];
  const text = await tshark(
    file,
    ...["-Y", filter, "-d", "l2tp.pw_type==0,eth"],
    ...(there.port === 0 ? [] : ["-d", `udp.port==${there.port},l2tp`]),
    ...preferences.flatMap((preference) => ["-o", preference]),
    ...["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a"],
    ...fields.flatMap((field) => ["-e", field]),
  );
  return text.split("\n").filter((line) => line !== "").map((line) => {
    const [protocols = "", expert = "", sid, cookie = "", s, sequence] = line.split("\t");
    return {
      protocols,
      expert,
      sessionId: Number(sid),
      cookie,
      sequenced: s ? s === "1" || s === "True" : undefined,
      sequence: sequence ? Number(sequence) : undefined,
    };
  });
}
