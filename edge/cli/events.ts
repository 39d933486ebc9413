/** `isthmus events`: what happens, a line each. @module */

import type { EventView } from "../admin/schemas.ts";
import { printable } from "../log/printable.ts";
import type { Client } from "./client.ts";

/** Prints each event until the appliance ends. */
export async function follow(
  client: Client,
  { json, stdout }: { readonly json: boolean; stdout(text: string): void },
): Promise<void> {
  for await (const { event, data } of client.follow("/v1/events")) {
    if (json) stdout(`${JSON.stringify({ event, ...data as object })}\n`);
    else if (event === "slow") stdout("(events were lost: too many came at once)\n");
    else stdout(eventText(data as EventView));
  }
}

/** A line for people. */
export function eventText(event: EventView): string {
  const { fields, name, peer, remote, session, time, tunnel, type } = event;
  const whose = tunnel ?? (peer !== undefined ? `(${peer})` : remote ?? name ?? "-");
  const of = session === undefined ? "" : `/${session}`;
  const what = type === "plugin" ? JSON.stringify(fields) : happened(event);
  return printable(`${clock(time)} ${whose}${of} == ${what}`) + "\n";
}

function happened({ message, reason, stage, state, type }: EventView): string {
  const failed = type === "failure";
  const why = [reason, failed ? message : undefined].filter(Boolean).join(": ");
  return (failed ? `${stage} failed` : state ?? "") + (why === "" ? "" : ` (${why})`);
}

/** The time of day, in UTC, to the millisecond. */
export function clock(time: string): string {
  return time.slice(11, 23);
}
