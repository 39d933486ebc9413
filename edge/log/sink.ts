/** Where log lines go: written beside the work, so that a reader who stalls costs lines and nothing else. @module */

/** Takes lines, and never waits. */
export interface LineSink {
  /** Takes one line with its line feed; drops it where too much waits already. */
  write(line: string): void;
  /** Lines dropped since the start. */
  readonly dropped: number;
  /** Waits until all is written, for so many milliseconds at most. */
  flush(ms: number): Promise<void>;
}

/** The most that may wait, in bytes of UTF-8, as a line of `x` counts. */
const MAX_WAITING = 1024 * 1024;

const encoder = new TextEncoder();

/**
 * A sink of a stream.
 * @param write writes a part of the bytes, and says how many
 * @param lost the line that tells how many lines were dropped before it
 */
export function lineSink(
  write: (bytes: Uint8Array) => Promise<number>,
  lost: (count: number) => string,
): LineSink {
  let waiting: string[] = [];
  let size = 0;
  let dropped = 0;
  /** Dropped since the reader was told. */
  let untold = 0;
  let writing: Promise<void> | undefined;

  const drain = async () => {
    try {
      while (waiting.length > 0 || untold > 0) {
        const told = untold > 0 ? [lost(untold)] : [];
        let bytes = encoder.encode([...waiting, ...told].join(""));
        [waiting, size, untold] = [[], 0, 0];
        while (bytes.length > 0) bytes = bytes.subarray(await write(bytes));
      }
    } catch {
      // Nobody reads any more: there is nowhere left to say so.
    }
    // In the same turn as the look at what waits: a line that comes later begins anew.
    writing = undefined;
  };
  const start = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    writing = promise;
    void drain().then(resolve);
  };
  return {
    get dropped() {
      return dropped;
    },
    write(line) {
      if (size + line.length > MAX_WAITING) {
        dropped++;
        untold++;
        return;
      }
      waiting.push(line);
      size += line.length;
      if (!writing) start();
    },
    async flush(ms) {
      if (!writing) return;
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
      await Promise.race([writing, late]);
      clearTimeout(timer);
    },
  };
}
