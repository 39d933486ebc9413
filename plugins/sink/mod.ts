/**
 * Frames that end in isthmus itself: the `sink` circuit. It takes any number of sessions of any type, counts their
 * frames and may send each one back, so that calls can be tried and measured without a device or the protocol inside.
 *
 * @module
 */

import { z } from "zod";
import { PseudowireType } from "../../core/pseudowire.ts";
import type { Circuit, Plugin, Scope } from "../plugin.ts";

/** The schema; its output is valid input again. */
export const sinkOptions = z.strictObject({
  echo: z.boolean({ error: "expected true or false" }).exactOptional()
    .describe("Send each frame back as it came; false where absent"),
});
/** Options of one circuit. */
export type SinkOptions = z.infer<typeof sinkOptions>;

/** The plugin. */
export const sink: Plugin<SinkOptions> = {
  name: "sink",
  summary: "frames of any type end here, counted or sent back",
  pseudowireTypes: [PseudowireType.Ethernet, PseudowireType.EthernetVlan, PseudowireType.Ppp],
  options: sinkOptions,
  columns: [
    { name: "frames", help: "frames that ended here" },
    { name: "bytes", help: "their bytes" },
    { name: "echoed", help: "frames that were sent back" },
  ],
  start(scope) {
    const counters = countersOf(scope);
    return { provision: (_scope, options) => circuit(counters, options) };
  },
};

type Counters = ReturnType<typeof countersOf>;

function countersOf(scope: Scope) {
  return {
    frames: scope.counter("frames", "Frames that ended on a sink circuit"),
    bytes: scope.counter("bytes", "Bytes of frames that ended on a sink circuit"),
    echoed: scope.counter("echoed_frames", "Frames that a sink circuit sent back"),
    unsent: scope.counter("unsent_frames", "Frames of a sink circuit that found the queue full"),
  };
}

function circuit(counters: Counters, first: SinkOptions): Circuit<SinkOptions> {
  let options = first;
  return {
    attach({ port }, scope) {
      const figures = { frames: 0, bytes: 0, echoed: 0 };
      scope.receive(port, (batch) => {
        const frames = batch.map(({ bytes }) => bytes);
        const bytes = frames.reduce((sum, { length }) => sum + length, 0);
        figures.frames += frames.length;
        figures.bytes += bytes;
        counters.frames.add(frames.length);
        counters.bytes.add(bytes);
        if (!options.echo) return;
        const taken = port.send(frames);
        figures.echoed += taken;
        counters.echoed.add(taken);
        counters.unsent.add(frames.length - taken);
      });
      // A call that the peer has us place ends here as any other: it is answered at once.
      return {
        answered: Promise.resolve({}),
        show: () => ({ ...figures, echo: options.echo ?? false }),
      };
    },
    reconfigure(next) {
      options = next;
      return true;
    },
  };
}
