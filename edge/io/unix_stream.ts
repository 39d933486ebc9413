/** Unix stream sockets for plugins: bytes in, bytes out. @module */

import type { StreamLeaf } from "../../plugins/host/leaves.ts";

/** The most that is read at a time, in bytes. */
const CHUNK = 64 * 1024;

/**
 * Connects to a socket.
 * @param received gets views that are valid until it returns; null once, when the stream ends or breaks
 * @throws {Deno.errors.NotFound} and other errors of the system
 */
export async function openUnixStream(
  path: string,
  received: (bytes: Uint8Array | null) => void,
): Promise<StreamLeaf> {
  const stream = await Deno.connect({ transport: "unix", path });
  let open = true;
  /** Writes follow each other: the kernel may take a part of one only. */
  let last: Promise<unknown> = Promise.resolve();
  const writeAll = async (bytes: Uint8Array) => {
    let rest = bytes;
    while (rest.length > 0) rest = rest.subarray(await stream.write(rest));
  };
  const close = () => {
    if (!open) return;
    open = false;
    stream.close();
  };
  const read = async () => {
    const buffer = new Uint8Array(CHUNK);
    try {
      for (let n = await stream.read(buffer); n !== null; n = await stream.read(buffer)) {
        received(buffer.subarray(0, n));
      }
    } catch {
      // It broke, or we closed it: for the reader that is its end.
    }
    if (open) received(null);
    close();
  };
  void read();
  return {
    write(bytes) {
      const copy = bytes.slice();
      const written = last.then(() => writeAll(copy));
      last = written.catch(() => {});
      return written;
    },
    close,
  };
}
