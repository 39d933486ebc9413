/** `isthmus trace`: control messages as people read them, as JSON, or as a capture file. @module */

import { formatEndpoint } from "../../core/endpoint.ts";
import type { EventView } from "../admin/schemas.ts";
import type { PacketView, TraceView } from "../admin/trace.ts";
import { meaningOf } from "./avp_words.ts";
import type { Client } from "./client.ts";
import { clock, eventText } from "./events.ts";
import { type CapturedMessage, CaptureFile } from "./pcapng.ts";
import { printable } from "../log/printable.ts";

/** What is to be traced, and how. */
export interface TraceOptions {
  /** A tunnel, a peer or a peer's address; absent: all. */
  readonly of?: string;
  /** Ends after so many messages. */
  readonly count?: number;
  /** Data packets too: so many octets of each. */
  readonly data?: number;
  readonly json: boolean;
  /** Takes a capture file's octets, where one is wanted. */
  readonly capture?: (bytes: Uint8Array) => void;
  stdout(text: string): void;
  /** What a capture file says it was written by. */
  readonly program: string;
}

/** Shows messages until the appliance ends, or enough were seen. */
export async function trace(client: Client, options: TraceOptions): Promise<void> {
  const { capture, count = Infinity, json, program, stdout } = options;
  const asked = Object.entries({ of: options.of, data: options.data })
    .flatMap(([key, value]) => value === undefined ? [] : [`${key}=${encodeURIComponent(value)}`]);
  const query = asked.length === 0 ? "" : `?${asked.join("&")}`;
  const file = capture && new CaptureFile(capture, program);
  let seen = 0;
  for await (const { event, data } of client.follow(`/v1/trace${query}`)) {
    if (event === "message") file?.add(captured(data as TraceView));
    if (event === "data") file?.addPacket(packet(data as PacketView));
    if (!file) {
      stdout(json ? `${JSON.stringify({ event, ...data as object })}\n` : textOf(event, data));
    }
    if ((event === "message" || event === "data") && ++seen >= count) return;
  }
}

function textOf(event: string, data: unknown): string {
  if (event === "message") return messageText(data as TraceView);
  if (event === "data") return packetText(data as PacketView);
  if (event === "state") return eventText(data as EventView);
  return `(${
    (data as { count?: number }).count ?? "some"
  } messages were lost: too many came at once)\n`;
}

/** What there is to read of a data packet is its beginning. */
function packetText({ direction, length, octets, remote, time }: PacketView): string {
  const arrow = direction === "received" ? "<-" : "->";
  return printable(`${clock(time)} data ${arrow} ${remote} ${length} octets ${octets}`) + "\n";
}

function packet({ direction, length, octets, time }: PacketView) {
  return { time: Date.parse(time), direction, head: Uint8Array.fromHex(octets), length };
}

function messageText(view: TraceView): string {
  const { avps = [], problem } = view;
  const all = avps.map((avp) => avpLine(avp, view.type ?? ""));
  if (problem !== undefined) all.push(["", problem]);
  const width = Math.max(0, ...all.map(([name]) => name.length));
  return `${headLine(view)}\n` +
    all.map(([name, value]) => `    ${name.padEnd(width)}  ${value}`.trimEnd() + "\n").join("");
}

function headLine(view: TraceView): string {
  const { direction, dropped, nr, ns, peer, state, time, tunnel, type } = view;
  const where = view["remote-port"]
    ? formatEndpoint({ address: view.remote, port: view["remote-port"] })
    : view.remote;
  const name = tunnel ?? (peer !== undefined ? `(${peer})` : "-");
  const ids = view["session-id"]
    ? `${view["connection-id"]}/${view["session-id"]}`
    : view["connection-id"];
  const words = [
    clock(time),
    name,
    direction === "received" ? "<-" : "->",
    where,
    type ?? "unreadable",
    ...(type === undefined ? [] : [`v${view.version}`, `id ${ids}`, `Ns ${ns}`, `Nr ${nr}`]),
    ...(state === undefined ? [] : [`[${state}]`]),
    ...(dropped === undefined ? [] : [`dropped: ${dropped}`]),
  ];
  return printable(words.join(" "));
}

function avpLine(
  avp: NonNullable<TraceView["avps"]>[number],
  message: string,
): readonly [string, string] {
  const vendor = avp["vendor-id"] === 0 ? "" : `${avp["vendor-id"]}/`;
  const name = avp.name ?? `avp-${vendor}${avp.type}`;
  const value = avp.problem ??
    (avp.secret
      ? `(a secret of ${avp.octets} octets)`
      : meaningOf(name, message, avp.value) ?? valueText(avp.value));
  const notes = [
    ...(avp.hidden ? ["hidden"] : []),
    ...(avp.mandatory ? [] : ["optional"]),
  ];
  return [name, printable(notes.length > 0 ? `${value}  (${notes.join(", ")})` : value)];
}

function valueText(value: unknown): string {
  if (Array.isArray(value)) return value.map(valueText).join(", ");
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).map(([key, inner]) => `${key} ${valueText(inner)}`).join(", ");
  }
  return value === true ? "yes" : String(value);
}

function captured(view: TraceView): CapturedMessage {
  const { direction, encap, local, octets, remote, time, tunnel } = view;
  return {
    time: Date.parse(time),
    direction,
    encap,
    local,
    remote,
    remotePort: view["remote-port"],
    octets: Uint8Array.fromHex(octets),
    ...(tunnel !== undefined && { tunnel }),
  };
}
