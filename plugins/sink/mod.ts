/**
 * Frames that end in isthmus itself: the `sink` circuit. It takes any number of sessions of any type, counts their
 * frames and may send each one back, so that calls can be tried and measured without a device or the protocol inside.
 *
 * @module
 */

import { z } from "zod";
import { PseudowireType } from "../../core/pseudowire.ts";
import type { Attachment, Circuit, Host, HostPort, Plugin, Session } from "../plugin.ts";

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
  provision: ({ datapath, meter }, options) => provision(datapath, meter, options),
};

function provision(
  datapath: Host["datapath"],
  meter: Host["meter"],
  first: SinkOptions,
): Circuit<SinkOptions> {
  let options = first;
  const attachments = new Set<Attachment>();
  const counters = {
    frames: meter.counter("frames", "Frames that ended in a sink circuit"),
    bytes: meter.counter("bytes", "Bytes of frames that ended in a sink circuit"),
    echoed: meter.counter("echoed_frames", "Frames that a sink circuit sent back"),
    unsent: meter.counter("unsent_frames", "Frames of a sink circuit that found the queue full"),
  };

  async function attach(session: Session): Promise<Attachment> {
    const figures = { frames: 0, bytes: 0, echoed: 0 };
    const receive = (frames: readonly Uint8Array[]) => {
      const bytes = frames.reduce((sum, { length }) => sum + length, 0);
      figures.frames += frames.length;
      figures.bytes += bytes;
      counters.frames.add(frames.length);
      counters.bytes.add(bytes);
      if (!options.echo) return;
      if (!port.send(frames)) return counters.unsent.add(frames.length);
      figures.echoed += frames.length;
      counters.echoed.add(frames.length);
    };
    const port: HostPort = await datapath.openHostPort(session.frameType, receive);
    let join: AsyncDisposable;
    try {
      join = await datapath.crossConnect(session.port, port.port);
    } catch (error) {
      await port[Symbol.asyncDispose]();
      throw error;
    }
    let disposed: Promise<void> | undefined;
    const detach = async () => {
      attachments.delete(attachment);
      await join[Symbol.asyncDispose]();
      await port[Symbol.asyncDispose]();
    };
    const attachment: Attachment = {
      describe: () => `${figures.frames} frames${options.echo ? ", echo" : ""}`,
      details: () => ({ ...figures, echo: options.echo ?? false }),
      [Symbol.asyncDispose]: () => disposed ??= detach(),
    };
    attachments.add(attachment);
    return attachment;
  }

  return {
    attach,
    reconfigure(next) {
      options = next;
      return true;
    },
    async [Symbol.asyncDispose]() {
      for (const attachment of [...attachments]) await attachment[Symbol.asyncDispose]();
    },
  };
}
