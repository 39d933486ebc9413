/** Captures by tcpdump, and what is in them. @module */

import assert from "node:assert/strict";
import type { Lab } from "./lab.ts";
import type { Place } from "./place.ts";
import { until } from "./process.ts";

/** A capture under way. */
export interface Capture {
  /** Ends it and gives the frames, in the order in which they passed. */
  stop(): Promise<Uint8Array[]>;
  /** The frames that it has by now. */
  seen(): Promise<Uint8Array[]>;
  /** The pcap file. */
  readonly file: string;
}

/** As soon as a packet comes, and with room for bursts: tcpdump's ring has a slot of the longest packet for each. */
const options = ["-n", "-U", "--immediate-mode", "-s", "2048", "-B", "8192"];

/** Starts a capture on a device of a place. Packets are cut to 2048 bytes. */
export async function captureHere(place: Place, device: string, filter = ""): Promise<Capture> {
  const file = `${place.folder}/${device}-${crypto.randomUUID()}.pcap`;
  const process = place.background(
    "tcpdump",
    ...["tcpdump", ...options, "-i", device, "-w", file, filter],
  );
  await until("tcpdump listens", async () => (await process.log()).includes("listening on"));
  return {
    file,
    async stop() {
      await process[Symbol.asyncDispose]();
      return parsePcap(await Deno.readFile(file));
    },
    seen: () => seenIn(file),
  };
}

/** Starts a capture on a device of the guest. */
export async function captureInGuest(lab: Lab, device: string, filter = ""): Promise<Capture> {
  const name = `${device}-${crypto.randomUUID()}`;
  await lab.guest(
    `setsid tcpdump ${options.join(" ")} -i ${device} -w /lab/${name}.pcap '${filter}' \\
       2> /lab/${name}.log & echo $! > /lab/${name}.pid
     for ((i = 0; i < 600; i++)); do grep -q 'listening on' /lab/${name}.log && exit; sleep 0.05; done
     cat /lab/${name}.log >&2; exit 1`,
  );
  const file = `${lab.shared}/${name}.pcap`;
  return {
    file,
    async stop() {
      await lab.guest(`p=$(cat /lab/${name}.pid); kill $p; while kill -0 $p; do sleep 0.05; done`);
      return parsePcap(await Deno.readFile(file));
    },
    seen: () => seenIn(file),
  };
}

/** The frames that a file has by now; it may be empty yet. */
async function seenIn(file: string): Promise<Uint8Array[]> {
  const bytes = await Deno.readFile(file);
  return bytes.length < 24 ? [] : parsePcap(bytes);
}

/** The frames of a pcap file (little-endian, as tcpdump writes it here). */
export function parsePcap(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  assert.equal(view.getUint32(0, true), 0xa1b2c3d4, "a pcap file");
  const frames: Uint8Array[] = [];
  for (let at = 24; at + 16 <= bytes.length;) {
    const length = view.getUint32(at + 8, true);
    if (at + 16 + length > bytes.length) break; // it is being written
    frames.push(bytes.subarray(at + 16, at + 16 + length));
    at += 16 + length;
  }
  return frames;
}
