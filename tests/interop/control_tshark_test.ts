/** Control messages of both versions, as an independent decoder reads them: every digest right, nothing malformed, no complaint. */

import assert from "node:assert/strict";
import { testSettings } from "../../core/testing.ts";
import type { PeerSettings } from "../../core/settings.ts";
import { converse, secretOf } from "../netsim/support.ts";
import { type Passed, pcapOf } from "./support/pcap.ts";
import { output } from "./support/process.ts";
import { suite } from "./support/suite.ts";

const SECRET = "correct horse";

const tshark = suite<{ readonly folder: string }>(import.meta.url, ["tshark"], async (stack) => {
  const folder = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  return { folder };
});

function conversation(settings: PeerSettings, encap: "udp" | "ip"): Passed[] {
  const passed: Passed[] = [];
  converse(settings, encap, ({ net }) => {
    net.tap = (from, to, data) => {
      passed.push({ at: net.now, from, to, encap, data: data.slice() });
      return true;
    };
  });
  return passed;
}

interface Judgement {
  readonly messages: string[];
  /** What tshark says of each packet in words. */
  readonly text: string;
  readonly expert: string[];
  readonly digests: number;
}

async function judge(file: string, passed: readonly Passed[], secret: string): Promise<Judgement> {
  await Deno.writeFile(file, pcapOf(passed));
  const base = ["tshark", "-n", "-r", file, "-o", `l2tp.shared_secret:${secret}`];
  const checks = ["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
  const fields = await output([
    ...base,
    ...checks,
    ...["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a"],
    ...["-e", "l2tp.avp.message_type", "-e", "_ws.expert.message", "-e", "l2tp.avp.type"],
  ]);
  const rows = fields.split("\n").filter((line) => line !== "").map((line) => line.split("\t"));
  return {
    messages: rows.map(([type = ""]) => type),
    digests: rows.filter(([, , types = ""]) => types.split(",").includes("59")).length,
    expert: rows.flatMap(([, expert = ""]) => expert === "" ? [] : [expert]),
    text: await output([...base, ...checks, "-V"]),
  };
}

const variants = ([2, 3] as const).flatMap((version) =>
  (version === 2 ? ["udp"] as const : ["udp", "ip"] as const).flatMap((encap) =>
    ([undefined, SECRET] as const).flatMap((secret) =>
      (version === 3 ? [0, 1] as const : [0] as const).map((digest) => ({
        version,
        encap,
        secret,
        digest,
      }))
    )
  )
).filter(({ version, secret, digest, encap }) =>
  version === 2 || secret !== undefined || digest === 0 || encap === "ip"
);

for (const [i, { version, encap, secret, digest }] of variants.entries()) {
  const signed = version === 3 && (secret !== undefined || encap === "ip");
  const title = `v${version} over ${encap === "udp" ? "UDP" : "IP 115"}, ` +
    (secret === undefined ? "no secret" : "a secret") +
    (signed ? `, HMAC-${digest === 0 ? "MD5" : "SHA1"}` : "");
  tshark.test(`${title}: tshark has no complaint of what two LCCEs say`, async ({ folder }) => {
    const settings = testSettings({
      version,
      digest,
      helloMs: 20_000,
      ...(secret !== undefined && { secret: secretOf(secret) }),
    });
    const passed = conversation(settings, encap);
    const judged = await judge(`${folder}/${i}.pcap`, passed, secret ?? "");
    assert.equal(judged.messages.length, passed.length, "every packet is L2TP");
    assert.deepEqual(judged.expert, []);
    assert.doesNotMatch(judged.text, /malformed|incorrect|unknown|invalid/i);
    const types = new Set(judged.messages);
    for (const type of [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16]) {
      assert.ok(types.has(String(type)), `message type ${type} was sent`);
    }
    if (version === 3) assert.ok(types.has("20"), "explicit acknowledgements");
    assert.equal(judged.digests, signed ? passed.length : 0, "a digest in every message, or none");
    // tshark checks digests by nonces, that is where both share a secret; what it checks it shows by rejecting another.
    if (secret === undefined) return;
    const wrong = await judge(`${folder}/${i}-wrong.pcap`, passed, "another");
    const expected = version === 3 ? passed.length : 0;
    assert.equal(wrong.text.match(/\[Incorrect Digest\]/g)?.length ?? 0, expected);
  });
}

tshark.test("an SCCRQ for both versions: tshark has no complaint of it, nor of what follows", async ({ folder }) => {
  const passed = conversation(testSettings({ version: 3, fallback: true, helloMs: 20_000 }), "udp");
  assert.equal(passed[0]!.data[1]! & 15, 2, "the SCCRQ's version");
  assert.equal(passed[1]!.data[1]! & 15, 3, "its answer's");
  const judged = await judge(`${folder}/both.pcap`, passed, "");
  assert.equal(judged.messages.length, passed.length);
  assert.deepEqual(judged.expert, []);
  assert.doesNotMatch(judged.text, /malformed|incorrect|unknown|invalid/i);
});
