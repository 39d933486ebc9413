/** The golden messages of core/testdata, made anew from the RFCs' layouts by a script, and judged by tshark. */

import assert from "node:assert/strict";
import { output } from "./support/process.ts";
import { suite } from "./support/suite.ts";

const testdata = new URL("../../core/wire/testdata/golden/", import.meta.url).pathname;
/** Debian's, which has scapy. */
const python = "/usr/bin/python3";

const messages = suite(import.meta.url, ["scapy", "tshark"], async (stack) => {
  const file = await Deno.makeTempFile({ suffix: ".pcap" });
  stack.defer(() => Deno.remove(file));
  await output([python, `${testdata}make.py`, "--pcap", file]);
  const golden = JSON.parse(await Deno.readTextFile(`${testdata}messages.json`));
  return { file, golden };
});

messages.test("golden messages are what their script makes", async ({ golden }) => {
  assert.deepStrictEqual(JSON.parse(await output([python, `${testdata}make.py`])), golden);
});

messages.test("golden messages are right to tshark, and signed with their secret", async ({ file, golden }) => {
  const { secret, messages } = golden;
  const dissect = (key: string) =>
    output(["tshark", "-n", "-r", file, "-o", `l2tp.shared_secret:${key}`, "-V"]);
  const right = await dissect(secret);
  assert.equal(right.match(/Message Type: \w+ \(\d+\)/g)?.length, messages.length);
  assert.doesNotMatch(right, /incorrect|malformed|expert info/i);
  const signed = messages.filter(({ nonces }: { nonces?: unknown }) => nonces).length;
  const wrong = (await dissect("another-secret")).match(/\[Incorrect Digest\]/g)?.length ?? 0;
  assert.equal(wrong, signed, "digests that are incorrect with another secret");
});
