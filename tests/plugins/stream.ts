/**
 * A third party's plugin, loaded by its path: Ethernet pseudowires as the network of a virtual machine. Each circuit is a
 * Unix stream that carries frames behind their lengths (4 octets, network order), as QEMU's `-netdev stream` does.
 *
 * @module
 */

import { z } from "zod";
import type { Circuit, Plugin, Scope } from "../../plugins/plugin.ts";

const options = z.strictObject({ socket: z.string().startsWith("/") });
type Options = z.infer<typeof options>;
const section = z.strictObject({ "queue-limit": z.int().min(1).default(64) });
type Section = z.infer<typeof section>;

/** The most that a frame may have, its Ethernet header included. */
const MAX_FRAME = 65535;

const stream: Plugin<Options, Section> = {
  name: "stream",
  summary: "an Ethernet pseudowire as the network of a virtual machine",
  pseudowireTypes: [5],
  options,
  section: { key: "stream", schema: section },
  columns: [
    { name: "socket", help: "the stream's path" },
    { name: "lost", help: "frames that the stream was too slow for" },
  ],
  views: [{
    name: "stream-usage",
    help: "frames that each socket ever carried",
    columns: [{ name: "socket", help: "the stream's path" }, { name: "frames", help: "both ways" }],
  }],
  words: [{
    word: "forget-usage",
    help: "forgets what a socket carried",
    given: z.strictObject({ socket: z.string() }),
  }],
  claims: ({ socket }) => [`stream ${socket}`],
  start(scope, first) {
    let limits = first;
    const usage = usageIn(scope);
    return {
      provision: (_scope, { socket }) => circuit(socket, usage, () => limits),
      reconfigure(next) {
        limits = next;
        return true;
      },
      async *show() {
        yield* usage.rows();
      },
      run(_word, given) {
        usage.forget((given as { socket: string }).socket);
        return null;
      },
    };
  },
};
export default stream;

function circuit(socket: string, usage: Usage, limits: () => Section): Circuit<Options> {
  return {
    sessions: 1,
    async attach(session, scope) {
      let waiting = 0;
      let lost = 0;
      const read = frameReader(
        (frame) => usage.count(socket, session.port.send([frame])),
        () => session.end({ result: 1, message: `${socket} does not carry frames` }),
      );
      const pipe = await scope.unix(socket, (bytes) => {
        if (bytes) read(bytes);
        else session.end({ result: 1, message: `${socket} was closed` });
      });
      scope.receive(session.port, (batch) => {
        for (const { bytes } of batch) {
          if (waiting >= limits()["queue-limit"]) {
            lost++;
            continue;
          }
          waiting++;
          usage.count(socket, 1);
          pipe.write(withLength(bytes)).catch(scope.fail).finally(() => waiting--);
        }
      });
      scope.event("connected", { socket });
      return { show: () => ({ socket, lost }) };
    },
    reconfigure: (next) => next.socket === socket,
  };
}

type Usage = ReturnType<typeof usageIn>;

/** How many frames each socket ever carried: written to the plugin's database once a second. */
function usageIn(scope: Scope) {
  const store = scope.store();
  store.exec("CREATE TABLE IF NOT EXISTS usage (socket TEXT PRIMARY KEY, frames INTEGER) STRICT");
  const add = store.prepare(
    "INSERT INTO usage VALUES (?, ?) ON CONFLICT DO UPDATE SET frames = frames + excluded.frames",
  );
  const fresh = new Map<string, number>();
  const save = () => {
    for (const [socket, frames] of fresh) add.run(socket, frames);
    fresh.clear();
  };
  scope.defer(save);
  let saving = false;
  return {
    count(socket: string, frames: number) {
      fresh.set(socket, (fresh.get(socket) ?? 0) + frames);
      if (saving) return;
      saving = true;
      scope.timer(scope.now() + 1000, () => {
        saving = false;
        save();
      });
    },
    rows() {
      save();
      return store.prepare("SELECT socket, frames FROM usage ORDER BY socket").all()
        .map(({ frames, socket }) => ({ socket: String(socket), frames: Number(frames) }));
    },
    forget(socket: string) {
      fresh.delete(socket);
      store.prepare("DELETE FROM usage WHERE socket = ?").run(socket);
    },
  };
}

/** Cuts a stream into frames. A length that no frame has is told once, and nothing follows. */
function frameReader(take: (frame: Uint8Array) => void, broken: () => void) {
  let rest = new Uint8Array(0);
  let isBroken = false;
  return (bytes: Uint8Array) => {
    if (isBroken) return;
    const all = new Uint8Array(rest.length + bytes.length);
    all.set(rest);
    all.set(bytes, rest.length);
    const view = new DataView(all.buffer);
    let at = 0;
    while (all.length - at >= 4) {
      const length = view.getUint32(at);
      if (length > MAX_FRAME) {
        isBroken = true;
        return broken();
      }
      if (all.length - at < 4 + length) break;
      take(all.subarray(at + 4, at + 4 + length));
      at += 4 + length;
    }
    rest = all.slice(at);
  };
}

function withLength(frame: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + frame.length);
  new DataView(bytes.buffer).setUint32(0, frame.length);
  bytes.set(frame, 4);
  return bytes;
}
