/** Frames that are sent by devices' hosts, and who gets them. @module */

import { run } from "./process.ts";

/** A device of a namespace. */
export type Where = readonly [namespace: string, device: string];

/** A frame, by which device's host it is sent, and who shall get it: they have all the time that they need. */
export type SentFrame = readonly [by: string, hex: string, to: readonly string[]];

/** Sends frames one by one. Gives of each who got it, and how it was then. */
export async function sendFrames(
  taps: Readonly<Record<string, Where>>,
  frames: readonly SentFrame[],
  wait = 0.15,
): Promise<Readonly<Record<string, readonly string[]>>[]> {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, JSON.stringify({ taps, frames, wait }));
    const script = new URL("frames.py", import.meta.url).pathname;
    const { code, stderr, stdout } = await run(["bash", "-c", `python3 ${script} < ${file}`], {
      timeoutMs: 120_000,
    });
    if (code !== 0) throw new Error(`frames.py: ${stderr}`);
    return JSON.parse(stdout);
  } finally {
    await Deno.remove(file);
  }
}

let numbers = 0;

/** A frame with these tags (hexadecimal digits), and a payload that no other has. */
export function numbered(tags: string, to = "ff".repeat(6), from = "020000000009"): string {
  const number = (++numbers).toString(16).padStart(8, "0");
  return `${to}${from}${tags}88b5${number.repeat(12)}`;
}

/** The tags of a frame, as hexadecimal digits. */
export function tagsOf(frame: string): string {
  return frame.slice(24, frame.lastIndexOf("88b5"));
}
