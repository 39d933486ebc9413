/** Two appliances in this process, and the command line that talks to one of them. @module */

import assert from "node:assert/strict";
import { sink } from "../../plugins/sink/mod.ts";
import { serveAdmin } from "../../edge/admin/mod.ts";
import { checkedAdmin } from "../../edge/admin/promised.ts";
import { main } from "../../edge/cli/mod.ts";
import { startControlNode } from "./control_support.ts";
import { loopback } from "./support.ts";

/** Two appliances, one of which dials the other; the dialing one's admin endpoint is served. */
export async function scene(last: number) {
  const [a, b] = [loopback(last), loopback(last + 1)];
  const called = await startControlNode(`
listen: [{ udp: "${b}:1701" }]
host-name: hq
peers:
  branch: { proto-version: 3, accept: [{ name: "*", circuit: { sink: {} } }] }
`);
  const caller = await startControlNode(`
listen: [{ udp: "${a}:1701" }]
host-name: branch
peers: { hq: { proto-version: 3 } }
tunnels:
  to-hq:
    peer: hq
    mode: persistent
    local: ${a}:1701
    remote: ${b}:1701
    sessions: { one: { circuit: { sink: {} } }, two: { circuit: { sink: {} } } }
  quiet: { peer: hq, mode: passive }
`);
  const app = checkedAdmin(caller.appliance, {
    plugins: [sink],
    log: {
      error: (message, fields) => assert.fail(`${message} ${JSON.stringify(fields)}`),
      info: () => {},
      warn: () => {},
    },
  });
  const server = await serveAdmin({ listen: { host: "127.0.0.1", port: 0 } }, app);
  const isthmus = async (...args: string[]) => {
    let text = "";
    const status = await main(["--url", server.url, ...args], {
      version: "1",
      run: () => Promise.resolve(0),
      check: () => Promise.resolve([]),
      readTextFile: Deno.readTextFile,
      exists: () => Promise.resolve(false),
      uid: () => 0,
      env: () => undefined,
      stdout: (said) => text += said,
      stderr: (said) => text += said,
      columns: () => undefined,
      sleep: () => Promise.resolve(false),
      create: () => {
        throw new Error("nothing is to be written");
      },
    });
    return { status, text };
  };
  return {
    called,
    caller,
    isthmus,
    server,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await caller[Symbol.asyncDispose]();
      await called[Symbol.asyncDispose]();
    },
  };
}
