/** Frames that were recorded between other programs, and what we answer to them. */

import assert from "node:assert/strict";
import { IpcpClient, IpcpServer } from "./ipcp.ts";
import { type Link, type LinkSettings, makeLink } from "./link.ts";
import { client, server } from "./testing.ts";
import { Protocol } from "./wire.ts";

const quiet = { up() {}, down() {}, finished() {} };

/** A link whose random numbers are those of the recording. */
function play(settings: LinkSettings, random: string) {
  let sent: string[] = [];
  const heard: string[] = [];
  const link: Link = makeLink(
    settings,
    {
      random: (length) => Uint8Array.fromHex(random).subarray(0, length),
      send: (frame) => void sent.push(frame.toHex()),
    },
    {
      asked(asked) {
        heard.push(`asked ${asked.kind} ${new TextDecoder().decode(asked.name)}`);
        link.accept("ok", 0);
      },
      authenticated() {
        heard.push("authenticated");
        link.network(0);
      },
      restarted: () => void heard.push("restarted"),
      unanswered() {},
      data() {},
      ended: ({ reason }) => void heard.push(`ended: ${reason}`),
      ignored: (what) => void heard.push(`ignored: ${what}`),
    },
  );
  return {
    link,
    heard,
    /** What it sends after a frame came. */
    after(frame?: string): string[] {
      sent = [];
      if (frame === undefined) link.open(0);
      else link.input(Uint8Array.fromHex(frame), 0);
      return sent;
    },
  };
}

Deno.test("l2tpns 2.4.1 as LNS: our client says what the recorded one said", () => {
  const { after, heard, link } = play(
    { ...client({ mru: 1452 }), credentials: { name: "user1", secret: "pass" } },
    "00001eef",
  );
  const ipcp = new IpcpClient({ dns: false });
  link.addNetwork(Protocol.Ipcp, ipcp, quiet);
  assert.deepEqual(after(), ["ff03c0210100000e010405ac050600001eef"]);
  // MRRU and endpoint discriminator are not for us.
  assert.deepEqual(after("ff03c0210101001d010405b60304c02305066b030adb1104064e1307020affff01"), [
    "ff03c0210401000f1104064e1307020affff01",
  ]);
  assert.deepEqual(after("ff03c02101020012010405b60304c02305066b030adb"), [
    "ff03c02102020012010405b60304c02305066b030adb",
  ]);
  assert.deepEqual(after("ff03c0210200000e010405ac050600001eef"), [
    "ff03c0230101000f0575736572310470617373",
  ]);
  // The Ack has a message without a letter.
  assert.deepEqual(after("ff03c0230201000500"), ["ff0380210101000a030600000000"]);
  assert.deepEqual(after("ff0380210101000a03060affff01"), ["ff0380210201000a03060affff01"]);
  assert.deepEqual(after("ff0380210301000a030664400001"), ["ff0380210102000a030664400001"]);
  assert.deepEqual(after("ff0380210202000a030664400001"), []);
  assert.deepEqual(ipcp.got, {
    address: Uint8Array.of(100, 64, 0, 1),
    peer: Uint8Array.of(10, 255, 255, 1),
    dns: [],
  });
  assert.deepEqual(heard, ["authenticated"]);
});

Deno.test("SoftEther 5 as LNS: EAP, then MS-CHAPv2, then PAP; no magic number", () => {
  const { after, heard } = play(
    { ...client({ mru: 1452, answer: ["pap"] }), credentials: { name: "bob", secret: "pass" } },
    "00001eef",
  );
  after();
  assert.deepEqual(after("ff03c0210400000a050600001eef"), ["ff03c02101010008010405ac"]);
  assert.deepEqual(after("ff03c021010000080304c227"), ["ff03c021030000080304c023"]);
  assert.deepEqual(after("ff03c02102010008010405ac"), []);
  assert.deepEqual(after("ff03c021010100090305c22381"), ["ff03c021030100080304c023"]);
  assert.deepEqual(after("ff03c021010200080304c023"), [
    "ff03c021020200080304c023",
    "ff03c0230101000d03626f620470617373",
  ]);
  // An Ack without even the length of a message. Without a magic number of ours, echoes carry none.
  assert.deepEqual(after("ff03c02302010004"), []);
  assert.deepEqual(after("ff03c021090000180000000041686f2042616b61204d616e756b6500"), [
    "ff03c0210a0000180000000041686f2042616b61204d616e756b6500",
  ]);
  assert.deepEqual(heard, ["authenticated"]);
});

Deno.test("a recorded client of an LNS of xl2tpd and pppd: we say what pppd said", () => {
  const { after, heard, link } = play(server({ mru: 1400, authenticate: ["pap"] }), "6ef4ee65");
  const ipcp = new IpcpServer({
    own: Uint8Array.of(192, 168, 50, 1),
    client: Uint8Array.of(192, 168, 50, 10),
    dns: [],
    nbns: [],
  });
  link.addNetwork(Protocol.Ipcp, ipcp, quiet);
  assert.deepEqual(after(), ["ff03c021016e0012010405780304c02305066ef4ee65"]);
  assert.deepEqual(after("ff03c0210101000e010405ac050610001eef"), [
    "ff03c0210201000e010405ac050610001eef",
  ]);
  assert.deepEqual(after("ff03c021026e0012010405780304c02305066ef4ee65"), []);
  assert.deepEqual(after("ff03c0230101000f0575736572310470617373"), [
    "ff03c02302010007026f6b",
    "ff0380210101000a0306c0a83201",
  ]);
  assert.deepEqual(after("ff0380210101000a030600000000"), ["ff0380210301000a0306c0a8320a"]);
  assert.deepEqual(after("ff0380210201000a0306c0a83201"), []);
  assert.deepEqual(after("ff0380210102000a0306c0a8320a"), ["ff0380210202000a0306c0a8320a"]);
  assert.deepEqual(heard, ["asked pap user1", "authenticated"]);
});
