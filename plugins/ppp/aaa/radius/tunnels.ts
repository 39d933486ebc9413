/** LNSes that a reply names: Tunnel-* attributes (RFC 2868), gathered by their tags. @module */

import type { TunnelTarget } from "../tunnel.ts";
import type { Secret } from "./authenticity.ts";
import { revealSalted } from "./hiding.ts";
import { type Attribute, readNumber } from "./packet.ts";
import { untag } from "./values.ts";

/** Tunnel-Type of L2TP (RFC 2868 §3.1), and media that we have (§3.2): absent, IPv4, IPv6. */
const L2TP = 3;
const MEDIA: ReadonlySet<number | undefined> = new Set([undefined, 1, 2]);

/** A target in the making. */
type Draft = { -readonly [K in keyof TunnelTarget]?: TunnelTarget[K] } & { medium?: number };

/** What each attribute says. */
const PUTS: Readonly<Record<number, (draft: Draft, value: Uint8Array) => void>> = {
  64: (draft, value) => draft.type = readNumber(value, 0, value.length),
  65: (draft, value) => draft.medium = readNumber(value, 0, value.length),
  66: (draft, value) => draft.client = decoder.decode(value),
  67: (draft, value) => draft.server = decoder.decode(value),
  81: (draft, value) => draft.privateGroupId = value,
  82: (draft, value) => draft.assignmentId = decoder.decode(value),
  83: (draft, value) => draft.preference = readNumber(value, 0, value.length),
  90: (draft, value) => draft.clientAuthId = decoder.decode(value),
  91: (draft, value) => draft.serverAuthId = decoder.decode(value),
};
const NUMBERS: ReadonlySet<number> = new Set([64, 65, 83]);
const PASSWORD = 69;
const decoder = new TextDecoder();

/** The targets of a reply, best first, and how many attributes made no sense. Those of one preference are in the order of their tags. */
export function readTunnels(
  attributes: readonly Attribute[],
  authenticator: Uint8Array,
  secret: Secret,
): { readonly targets: readonly TunnelTarget[]; readonly malformed: number } {
  const drafts = new Map<number, Draft>();
  let malformed = 0;
  for (const { vendor, type, value } of attributes) {
    if (vendor !== 0 || (type !== PASSWORD && !PUTS[type])) continue;
    const number = NUMBERS.has(type);
    if (value.length === 0 || (number && value.length !== 4)) {
      malformed++;
      continue;
    }
    const hidden = type === PASSWORD ? 2 : 0;
    const { tag, value: bare } = untag({ kind: number ? "integer" : "string", hidden }, value);
    const draft = drafts.get(tag) ?? {};
    drafts.set(tag, draft);
    if (type !== PASSWORD) PUTS[type]!(draft, bare);
    else {
      const password = revealSalted(bare, authenticator, secret);
      if (password) draft.password = password;
      else malformed++;
    }
  }
  const targets = [...drafts].sort(([a], [b]) => a - b).flatMap(([tag, draft]) => {
    const { medium, type, server, ...rest } = draft;
    if (type !== L2TP || !server || !MEDIA.has(medium)) return [];
    return [{ ...rest, tag, type, server }];
  });
  const rank = ({ preference = Infinity }: TunnelTarget) => preference;
  // Not by difference: two that say none would have none.
  targets.sort((a, b) => rank(a) === rank(b) ? 0 : rank(a) < rank(b) ? -1 : 1);
  return { targets, malformed };
}
