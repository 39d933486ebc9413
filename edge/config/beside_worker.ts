/** The worker of {@linkcode readBeside}. @module */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { builtIn } from "../built_in.ts";
import {
  type BesideAnswer,
  type BesideRequest,
  type Inner,
  partsOf,
  type ToBeside,
} from "./beside_protocol.ts";
import { openLibc } from "../io/libc.ts";
import { modeOf } from "./file_mode.ts";
import { loadPlugins } from "./load_plugins.ts";
import { type LongList, longLists, marksOf, placesOf, type Thing } from "./marks.ts";
import { ConfigError } from "./problem.ts";
import { readConfig } from "./read.ts";

/** How many tunnels, peers, sessions and calls are handed over at a time: a millisecond or two to take in. */
const PIECE = 128;

/** How nice it is to peers and frames, which want the processor, too (nice(2)). */
const NICE = 10;

const post = (answer: BesideAnswer) => self.postMessage(answer);

/** Goes on with the next piece: they come one by one, so that none has to wait for others in one turn of the reader's. */
let taken = () => {};

let text = "";

self.onmessage = async ({ data }: MessageEvent<ToBeside>) => {
  if (data === "taken") return taken();
  if (data.kind === "text") return void (text += data.part);
  try {
    beNice();
    await read(data);
  } catch (error) {
    if (error instanceof ConfigError) {
      post({ kind: "wrong", problems: error.problems, more: error.more });
    } else post({ kind: "failed", error: error instanceof Error ? error.message : String(error) });
  }
};

/** Lets other threads go first, where that can be asked for. */
function beNice(): void {
  try {
    using libc = openLibc();
    libc.call.setpriority(0, 0, NICE);
  } catch {
    // Without the permission it is only less polite.
  }
}

/** Hands a piece over, and waits until it was taken in. */
async function hand(piece: BesideAnswer): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  taken = resolve;
  post(piece);
  await promise;
}

async function read(request: BesideRequest): Promise<void> {
  const { file, known } = request;
  const plugins = [...builtIn, ...await loadPlugins(text, file, builtIn)];
  const reading = readConfig({ ...request, text }, {
    plugins,
    modeOf,
    readSecret: Deno.readTextFileSync,
  });
  for (const key of longLists) await handList(key, reading.config[key], known?.[key]);
  const config = { ...reading.config, peers: [], tunnels: [], managed: [], circuits: [] };
  const { stands, warnings } = reading;
  const edited = reading.text !== text;
  if (edited) { for (const part of partsOf(reading.text)) await hand(part); }
  post({
    kind: "whole",
    config,
    warnings,
    stands,
    edited,
  });
}

/** Hands over what of a list is not known. */
async function handList(
  key: LongList,
  items: readonly Thing[],
  known: Uint8Array<ArrayBuffer> | undefined,
): Promise<void> {
  const marks = marksOf(items);
  const places = placesOf(marks, known ?? new Uint8Array());
  await hand({ kind: "list", key, places, marks });
  let piece: Thing[] = [], weight = 0;
  for (const [i, item] of items.entries()) {
    if (places[i]! >= 0) continue;
    const [inner, list] = innerOf(item);
    piece.push(list.length > PIECE ? { ...item, [inner]: list.slice(0, PIECE) } : item);
    weight += 1 + list.length;
    if (weight < PIECE) continue;
    await hand({ kind: "part", key, items: piece });
    [piece, weight] = [[], 0];
    for (let from = PIECE; from < list.length; from += PIECE) {
      await hand({ kind: "more", key, inner, items: list.slice(from, from + PIECE) });
    }
  }
  if (piece.length > 0) await hand({ kind: "part", key, items: piece });
}

/** The list in a thing that may be long. */
function innerOf(thing: Thing): readonly [Inner, readonly unknown[]] {
  if ("sessions" in thing) return ["sessions", thing.sessions];
  if ("calls" in thing) return ["calls", thing.calls];
  if ("accept" in thing) return ["accept", thing.accept];
  return ["sessions", []];
}
