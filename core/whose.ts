/** Whose a control message is, for those who look on: nothing is believed of it, and nothing changes. Pure. @module */

import type { Connection } from "./connection.ts";
import type { ConnectionRegistry } from "./registry.ts";
import type { Path } from "./settings.ts";
import { glance, offeredVersion } from "./wire/glance.ts";
import { tryHeader } from "./wire/header.ts";

/** The connection that a message which was received is for, or that one which was sent is from, if there is one. */
export function whose(
  registry: ConnectionRegistry,
  datagram: Uint8Array,
  path: Path,
  direction: "received" | "sent",
): Connection | undefined {
  const parsed = tryHeader(datagram);
  if (!parsed) return undefined;
  const { body, header: { connectionId, version } } = parsed;
  if (connectionId !== 0) {
    return direction === "received"
      ? registry.byId(version, connectionId)
      : registry.byPeerId(version, path, connectionId);
  }
  // To nobody yet: who sent it says its own id.
  const seen = glance(body);
  if (!seen) return undefined;
  for (const spoken of new Set([offeredVersion(parsed.header, seen), version])) {
    const said = seen.assignedId[spoken];
    const found = direction === "received"
      ? registry.addressed(spoken, path, seen, body)
      : said === "hidden"
      ? registry.onlyDialed(spoken, path)
      : said && registry.byId(spoken, said);
    if (found) return found;
  }
  return undefined;
}
