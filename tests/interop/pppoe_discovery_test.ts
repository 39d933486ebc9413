/**
 * Discovery of an access concentrator by others' programs: `pppoe-discovery` in a guest of the lab, and tags in odd orders
 * from scapy. Nobody gets a session here; what is offered, and what is not, is looked at.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { bootLab, type Lab } from "./support/lab.ts";
import { device, makePair, type Pair } from "./support/place.ts";
import { suite } from "./support/suite.ts";

const text = (name: string, more = "") => (adminSocket: string) => `
admin: { listen: "unix:${adminSocket}" }
pppoe:
  access:
    street:
      interface: ${name}
      ac-name: isthmus-test
      service-names: [internet, tv]
      vlans: [untagged, "7", "100-199.1-4094"]
      lac: { servers: [{ peer: nowhere }] }
      deny-mac: ["02:de"]
      ${more}
peers:
  nowhere: { address: 10.77.0.9 }
`;

const guest = suite<{ readonly lab: Lab; readonly appliance: Appliance }>(
  import.meta.url,
  ["root", "tun", "lab", "ip", "pppoe-discovery"],
  async (stack) => {
    const lab = stack.use(await bootLab());
    return { lab, appliance: stack.use(await startAppliance(lab, text(lab.tap))) };
  },
);

guest.test("pppoe-discovery finds it, by name, by service, with a Host-Uniq", async ({ lab }) => {
  const found = async (...options: string[]) => {
    const { stdout, stderr } = await lab.tryGuest(
      `timeout 20 pppoe-discovery -I eth0 -a 1 -t 1 ${options.join(" ")}`,
    );
    return stdout + stderr;
  };
  const all = await found();
  assert.match(all, /AC-Name: isthmus-test|Access-Concentrator: isthmus-test/);
  assert.match(all, /internet/);
  assert.match(all, /tv/);
  assert.match(await found("-U"), /isthmus-test/);
  assert.match(await found("-S", "tv", "-C", "isthmus-test"), /isthmus-test/);
  assert.doesNotMatch(await found("-S", "voice"), /isthmus-test/);
});

const wire = suite<{ readonly pair: Pair; readonly appliance: Appliance }>(
  import.meta.url,
  ["root", "tun", "ip", "ethtool", "scapy"],
  async (stack) => {
    const pair = stack.use(await makePair());
    return { pair, appliance: stack.use(await startAppliance(pair.here, text(device))) };
  },
);

/** Sends one frame of discovery by a raw socket, and prints what comes. */
const ask = `import sys, json
from scapy.all import Ether, Dot1Q, Dot1AD, PPPoED, Raw, sendp, AsyncSniffer, conf, get_if_hwaddr
conf.verb = 0
what = json.loads(sys.argv[1])
me = what.get("mac") or get_if_hwaddr("wire")
frame = Ether(src=me, dst="ff:ff:ff:ff:ff:ff")
for kind, vid in what.get("vlans", []):
    frame = frame / (Dot1AD(vlan=vid) if kind == "s" else Dot1Q(vlan=vid))
payload = bytes.fromhex(what["tags"])
frame = frame / PPPoED(code=what.get("code", 9), len=len(payload)) / Raw(payload + bytes(what.get("padding", 0)))
def mine(p):
    return PPPoED in p and p[Ether].src != me and p[PPPoED].code in (7, 0x65)
sniffer = AsyncSniffer(iface="wire", lfilter=mine, count=1, timeout=what["wait"], started_callback=lambda: sendp(frame, iface="wire"))
sniffer.start(); sniffer.join()
for p in sniffer.results:
    print(json.dumps(dict(to=p.dst, raw=bytes(p)[12:].hex(), tags=bytes(p[PPPoED].payload)[:p[PPPoED].len].hex(), code=p[PPPoED].code)))
`;

interface Answer {
  readonly to: string;
  readonly raw: string;
  readonly tags: string;
  readonly code: number;
}

async function say(pair: Pair, what: object): Promise<Answer> {
  const asked = { wait: 30, ...what };
  const out = await pair.there.here("/usr/bin/python3", "-c", ask, JSON.stringify(asked));
  assert.notEqual(out.trim(), "", "an answer came");
  return JSON.parse(out);
}

/** Nobody answers that. */
async function assertSilence(pair: Pair, what: object): Promise<void> {
  const asked = { wait: 1.5, ...what };
  assert.equal(await pair.there.here("/usr/bin/python3", "-c", ask, JSON.stringify(asked)), "");
}

const hex = (text: string) => new TextEncoder().encode(text).toHex();

wire.test("tags in odd orders, of no length, twice, unknown, and behind the end of the list", async ({ pair }) => {
  const uniq = "0103000400ff0a0d";
  const answer = await say(pair, {
    tags:
      `7f7700020102${uniq}01050006000000090101${"01030000"}0110000301020301010000${"00000000"}0101000261ff`,
    padding: 20,
  });
  assert.equal(answer.code, 7);
  assert(answer.tags.includes(uniq), "Host-Uniq, octet for octet");
  assert(answer.tags.includes("01100003010203"), "Relay-Session-Id");
  assert(answer.tags.includes(`0102000c${hex("isthmus-test")}`));
  assert.match(answer.tags, /01040011[0-9a-f]{34}/);
  for (const name of ["internet", "tv"]) assert(answer.tags.includes(hex(name)));
});

wire.test("tags that make no sense get no answer, and nothing breaks", async ({ pair, appliance }) => {
  for (const tags of ["0101", "010100", "01010005aa", "0103ffff"]) {
    await assertSilence(pair, { tags });
  }
  await assertSilence(pair, { tags: `01010005${hex("voice")}` });
  await assertSilence(pair, { tags: "01010000", mac: "02:de:00:00:00:01" });
  await say(pair, { tags: "01010000" });
  assert.equal(appliance.process.exitCode(), undefined);
});

wire.test("VLANs that are served are answered in them, others are not heard", async ({ pair }) => {
  type Vlans = (readonly [string, number])[];
  const inVlans = (vlans: Vlans) => say(pair, { tags: "01010000", vlans });
  assert.match((await inVlans([["c", 7]])).raw, /^81000007/);
  assert.match((await inVlans([["s", 100], ["c", 100]])).raw, /^88a8006481000064/);
  assert.match((await inVlans([["c", 199], ["c", 4094]])).raw, /^810000c781000ffe/);
  assert.match((await inVlans([["c", 0]])).raw, /^8863/);
  for (const vlans of [[["c", 8]], [["s", 200], ["c", 1]]] satisfies Vlans[]) {
    await assertSilence(pair, { tags: "01010000", vlans });
  }
});

wire.test("a PADR with a cookie of its own making gets nothing", async ({ pair, appliance }) => {
  const forged = `01010000010400110${"1".repeat(33)}`;
  await assertSilence(pair, { tags: forged, code: 0x19 });
  const { rows } = await appliance.get<{ rows: unknown[] }>("/v1/plugins/pppoe/views/pppoe").catch(
    () => ({ rows: [] }),
  );
  assert.deepEqual(rows, []);
});
