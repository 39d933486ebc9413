/**
 * Large configurations, read beside the main isolate, which has peers to answer meanwhile. Of what it has already it is
 * only told that it is the same: an unchanged file costs it next to nothing.
 *
 * @module
 */

import {
  type BesideAnswer,
  type Inner,
  partsOf,
  type TextPart,
  type ToBeside,
} from "./beside_protocol.ts";
import { type LongList, longLists, type Marks, type Thing } from "./marks.ts";
import type { Config } from "./model.ts";
import { ConfigError } from "./problem.ts";
import type { Reading, ReadRequest } from "./read.ts";
import { inSlices, type Slices } from "../slices.ts";

/** From how many UTF-16 units on a text is read beside: less than that takes some 20 ms. */
export const BESIDE_LENGTH = 64 * 1024;
/** How long it may take, in milliseconds. */
const LIMIT_MS = 120_000;

/**
 * Reads a configuration in a worker of its own, whose memory goes with it.
 * @param known what was read before: things that did not change are those of its configuration
 * @throws {ConfigError}
 */
export async function readBeside(request: ReadRequest, known?: Reading): Promise<Reading> {
  const worker = new Worker(new URL("./beside_worker.ts", import.meta.url), { type: "module" });
  const { promise, resolve, reject } = Promise.withResolvers<Reading>();
  // It may fail before anybody waits for it.
  promise.catch(() => {});
  const gathered = gathering(request, known);
  worker.onmessage = ({ data }: MessageEvent<BesideAnswer>) => {
    if (data.kind === "wrong") reject(new ConfigError(data.problems, data.more));
    else if (data.kind === "failed") reject(new Error(data.error));
    else {
      const reading = gathered(data);
      if (reading) resolve(reading);
      else worker.postMessage("taken");
    }
  };
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new Error(`cannot read the configuration: ${event.message}`));
  };
  const late = setTimeout(() => {
    const message = `takes more than ${LIMIT_MS / 1000} s to read; expected a smaller file`;
    reject(new ConfigError([{ file: request.file, line: 1, column: 1, path: "", message }]));
  }, LIMIT_MS);
  try {
    const { text, ...asked } = request;
    const tell = (message: ToBeside) => worker.postMessage(message);
    await inSlices(posting(text, tell));
    tell({ ...asked, kind: "read", known: known?.marks });
    return await promise;
  } finally {
    clearTimeout(late);
    worker.terminate();
  }
}

function* posting(text: string, tell: (part: TextPart) => void): Slices<void> {
  for (const part of partsOf(text)) {
    tell(part);
    yield;
  }
}

/** A list that comes in parts. */
interface Gathered {
  readonly items: Thing[];
  /** Where those that are still to come belong, the next one last. */
  readonly open: number[];
}

/** Puts together what the worker says; undefined: more is to come. */
function gathering(request: ReadRequest, known: Reading | undefined) {
  const lists: Partial<Record<LongList, Gathered>> = {};
  const marks: Partial<Record<LongList, Uint8Array<ArrayBuffer>>> = {};
  let last: Thing | undefined;
  let edited = "";
  return (answer: Exclude<BesideAnswer, { kind: "wrong" | "failed" }>): Reading | undefined => {
    if (answer.kind === "text") edited += answer.part;
    else if (answer.kind === "list") {
      const { key, places } = answer;
      const before: readonly Thing[] = known?.config[key] ?? [];
      const items = new Array<Thing>(places.length);
      const open: number[] = [];
      for (const [i, place] of places.entries()) {
        if (place < 0) open.push(i);
        else items[i] = before[place]!;
      }
      lists[key] = { items, open: open.reverse() };
      marks[key] = answer.marks;
    } else if (answer.kind === "part") {
      const { items, open } = lists[answer.key]!;
      for (const item of answer.items) items[open.pop()!] = last = item;
    } else if (answer.kind === "more") {
      const list = (last as unknown as Record<Inner, unknown[]>)[answer.inner];
      for (const item of answer.items) list.push(item);
    } else {
      const { config, stands, warnings } = answer;
      const long = Object.fromEntries(longLists.map((key) => [key, lists[key]!.items]));
      return {
        config: { ...config, ...long } as Config,
        stands,
        text: answer.edited ? edited : request.text,
        warnings,
        marks: marks as Marks,
      };
    }
  };
}
