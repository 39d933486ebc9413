/** How many answers without an end there may be at once. @module */

import type { Context } from "hono";
import { httpProblem } from "./problem.ts";

/** The most at once: each holds a connection, and is told of everything. */
const MAX_STREAMS = 16;

/** A place among them, given back by {@linkcode Place.free}. */
export interface Place {
  free(): void;
}

/** Places for answers without an end. */
export interface Streams {
  /** A place; undefined where there is none left. */
  take(): Place | undefined;
}

/** All places are free. */
export function makeStreams(most: number = MAX_STREAMS): Streams {
  let taken = 0;
  return {
    take() {
      if (taken === most) return undefined;
      taken++;
      let held = true;
      return {
        free() {
          if (held) taken--;
          held = false;
        },
      };
    },
  };
}

/** Refuses one that is too many. */
export function tooManyStreams(c: Context): Response {
  const detail = "too many follow already; expected one of them to end first";
  return httpProblem(c, 503, detail, { "retry-after": "10" });
}
