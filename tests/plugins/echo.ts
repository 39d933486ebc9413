/** Sends every frame back: the smallest plugin that does something. @module */

import { z } from "zod";
import type { Plugin } from "../../plugins/plugin.ts";

const options = z.strictObject({ "max-length": z.int().min(1).default(1500) });

export const echo: Plugin<z.infer<typeof options>> = {
  name: "echo",
  summary: "sends every frame back",
  pseudowireTypes: [5],
  options,
  columns: [{ name: "frames", help: "frames that were sent back" }],
  start: () => ({
    provision: (_scope, { "max-length": longest }) => ({
      attach({ port }, scope) {
        let frames = 0;
        scope.receive(port, (batch) => {
          const short = batch.map(({ bytes }) => bytes).filter(({ length }) => length <= longest);
          frames += port.send(short);
        });
        return { show: () => ({ frames }) };
      },
    }),
  }),
};

export default echo;
