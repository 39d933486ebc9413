import assert from "node:assert/strict";
import { lineSink } from "./sink.ts";

Deno.test("a reader who stalls costs lines, which are counted, and nobody waits for it", async () => {
  let release: (() => void) | undefined;
  let written = "";
  const sink = lineSink(
    async (bytes) => {
      if (written.length === 0) await new Promise<void>((resolve) => release = resolve);
      written += new TextDecoder().decode(bytes);
      return bytes.length;
    },
    (count) => `lost ${count}\n`,
  );
  const line = `${"x".repeat(1023)}\n`;
  for (let i = 0; i < 3000; i++) sink.write(line);
  assert.equal(written, "");
  // The first one is being written; 1 MiB of others waits.
  assert.equal(sink.dropped, 3000 - 1 - 1024);
  await sink.flush(10);
  assert.equal(written, "", "flush() waits no longer than it is told");
  release!();
  await sink.flush(5000);
  assert.equal(written, line.repeat(1025) + `lost ${sink.dropped}\n`);
  sink.write("again\n");
  await sink.flush(5000);
  assert.ok(written.endsWith("again\n"));
});

Deno.test("what is written in parts, or to nobody, is no trouble", async () => {
  let text = "";
  const slow = lineSink((bytes) => {
    text += new TextDecoder().decode(bytes.subarray(0, 3));
    return Promise.resolve(Math.min(3, bytes.length));
  }, () => "");
  slow.write("one line\n");
  await slow.flush(1000);
  assert.equal(text, "one line\n");
  const broken = lineSink(() => Promise.reject(new Error("EPIPE")), () => "");
  broken.write("one\n");
  await broken.flush(1000);
  broken.write("two\n");
  await broken.flush(1000);
});

Deno.test("no line waits for the next one, whenever it comes", async () => {
  for (let gap = 0; gap < 20; gap++) {
    let text = "";
    const sink = lineSink((bytes) => {
      text += new TextDecoder().decode(bytes);
      return Promise.resolve(bytes.length);
    }, () => "");
    sink.write("one\n");
    for (let turn = 0; turn < gap; turn++) await Promise.resolve();
    sink.write("two\n");
    await sink.flush(1000);
    assert.equal(text, "one\ntwo\n", `${gap} turns between them`);
  }
});
