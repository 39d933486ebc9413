/** What tests of whole appliances share: two of them on loopback, in this process or in their own. @module */

import assert from "node:assert/strict";
import { z } from "zod";
import { PseudowireType } from "../../core/pseudowire.ts";
import { openLibc } from "../../edge/io/libc.ts";
import { openUdpSocket } from "../../edge/io/sockets.ts";
import { textFile } from "../../edge/testing/document.ts";
import { makeLog } from "../../edge/log/log.ts";
import { type Appliance, startAppliance } from "../../edge/appliance/appliance.ts";
import { bridge } from "../../plugins/bridge/mod.ts";
import { ethernet } from "../../plugins/ethernet/mod.ts";
import type { Plugin } from "../../plugins/plugin.ts";
import { probe } from "../../plugins/probe/mod.ts";
import { sink } from "../../plugins/sink/mod.ts";

/** The frames that came out at the far end of a pseudowire, and a way to send. */
export interface FrameEnd {
  /** Numbers of the frames received, in order. */
  readonly received: number[];
  /** Sends one numbered frame. */
  send(number: number): void;
}

/** A circuit whose frames the test sends and receives: `frames: { name }`. */
export function framesPlugin(): { plugin: Plugin<{ name: string }>; ends: Map<string, FrameEnd> } {
  const ends = new Map<string, FrameEnd>();
  const plugin: Plugin<{ name: string }> = {
    name: "frames",
    summary: "frames of a test",
    pseudowireTypes: [PseudowireType.Ethernet],
    options: z.strictObject({ name: z.string() }),
    start: () => ({
      provision: (_scope, { name }) => ({
        sessions: 1,
        attach({ port }, scope) {
          const received: number[] = [];
          scope.receive(port, (batch) => {
            for (const { bytes } of batch) received.push(numberOf(bytes));
          });
          ends.set(name, {
            received,
            send: (number) => assert.equal(port.send([frameOf(number)]), 1),
          });
          return {};
        },
        reconfigure: (next) => next.name === name,
      }),
    }),
  };
  return { plugin, ends };
}

/** An appliance in this process. */
export interface Node extends AsyncDisposable {
  readonly appliance: Appliance;
  readonly ends: ReadonlyMap<string, FrameEnd>;
  readonly lines: readonly string[];
  /** What the next reload reads. */
  text: string;
}

/** Starts an appliance from the text of a configuration file. */
export async function startNode(first: string, more: readonly Plugin[] = []): Promise<Node> {
  const { plugin, ends } = framesPlugin();
  const plugins: readonly Plugin[] = [bridge, ethernet, probe, sink, plugin, ...more];
  const lines: string[] = [];
  const file = textFile(first, plugins);
  const { config, commit } = await file.document.load();
  commit();
  const appliance = await startAppliance({
    config,
    plugins,
    document: file.document,
    log: makeLog(config.log, { write: (line) => void lines.push(line) }),
  });
  const node: Node = {
    appliance,
    ends,
    lines,
    get text() {
      return file.text;
    },
    set text(text) {
      file.text = text;
    },
    [Symbol.asyncDispose]: () => appliance[Symbol.asyncDispose](),
  };
  return node;
}

/** A loopback address of this process alone, so that tests that run side by side do not meet. */
export function loopback(last: number): string {
  return `127.${(Deno.pid >> 8 & 0x7f) + 64}.${Deno.pid & 0xff}.${last}`;
}

/** A UDP port that is free at `address` now. */
export function freePort(address: string): number {
  using libc = openLibc();
  const { fd, local } = openUdpSocket(libc, { local: { address, port: 0 } });
  libc.call.close(fd);
  return local.port;
}

/** Waits for a condition, a few seconds at most. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!await condition()) {
    assert.ok(performance.now() < deadline, `not within 30 s: ${condition}`);
    await sleep(5);
  }
}

/** Real time passes. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** An Ethernet frame that tells its number. */
function frameOf(number: number): Uint8Array {
  const frame = new Uint8Array(64);
  frame.set([0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1, 0x88, 0xb5]);
  new DataView(frame.buffer).setUint32(14, number);
  return frame;
}

function numberOf(frame: Uint8Array): number {
  return new DataView(frame.buffer, frame.byteOffset).getUint32(14);
}
