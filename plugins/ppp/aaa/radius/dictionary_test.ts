import assert from "node:assert/strict";
import fc from "fast-check";
import { builtInDictionary } from "./builtin.ts";
import { Dictionary, DictionaryError, type Kind } from "./dictionary.ts";
import { decodeValue, encodeValue, untag } from "./values.ts";

const none = (name: string): never => {
  throw new Error(name);
};
const hex = (text: string) => Uint8Array.fromHex(text);

Deno.test("attributes are found by name and by numbers", () => {
  const dictionary = builtInDictionary();
  assert.equal(dictionary.named("mikrotik-rate-limit")?.type, 8);
  assert.equal(dictionary.named("14988:8")?.name, "Mikrotik-Rate-Limit");
  assert.equal(dictionary.named("26:14988:8")?.name, "Mikrotik-Rate-Limit");
  assert.equal(dictionary.named("8")?.name, "Framed-IP-Address");
  assert.deepEqual(
    (({ vendor, type, kind }) => ({ vendor, type, kind }))(dictionary.named("4711:200")!),
    { vendor: 4711, type: 200, kind: "octets" },
  );
  assert.equal(dictionary.named("No-Such"), undefined);
});

Deno.test("dictionaries in FreeRADIUS's format are read: vendors, formats, values, includes, TLVs", () => {
  const dictionary = new Dictionary();
  const files: Record<string, string> = {
    "dictionary.acme": `
VENDOR		Acme	4711	format=2,1	# ours
BEGIN-VENDOR	Acme
ATTRIBUTE	Acme-Speed	0x0101	uint32
ATTRIBUTE	Acme-Tlv	7	tlv
BEGIN-TLV	Acme-Tlv
ATTRIBUTE	Acme-Inner	1	string
END-TLV	Acme-Tlv
ATTRIBUTE	Acme-Tagged	8	string	has_tag,encrypt=2
ATTRIBUTE	Acme-Fixed	9	octets[16]
VALUE	Acme-Speed	Fast	100
END-VENDOR	Acme
BEGIN-VENDOR	Acme	format=Extended-Vendor-Specific-1
ATTRIBUTE	Acme-Extended	10	string
END-VENDOR	Acme
ATTRIBUTE	Old-Style	11	string	Acme
ATTRIBUTE	Plain	200	ipaddr
`,
  };
  dictionary.load("$INCLUDE dictionary.acme\n", "dictionary", (name) => ({
    file: name,
    text: files[name] ?? none(name),
  }));
  assert.deepEqual(dictionary.formats.get(4711), { type: 2, length: 1 });
  const speed = dictionary.named("Acme-Speed");
  assert.deepEqual([speed?.vendor, speed?.type, speed?.kind], [4711, 0x101, "integer"]);
  assert.deepEqual(encodeValue(speed!, "Fast"), hex("00000064"));
  assert.equal(dictionary.named("Acme-Inner"), undefined);
  assert.equal(dictionary.named("Acme-Extended"), undefined);
  const tagged = dictionary.named("Acme-Tagged");
  assert.deepEqual([tagged?.tagged, tagged?.hidden], [true, 2]);
  assert.equal(dictionary.named("Acme-Fixed")?.kind, "octets");
  assert.equal(dictionary.named("Old-Style")?.vendor, 4711);
  assert.equal(dictionary.named("Plain")?.vendor, 0);
});

Deno.test("what is wrong with a dictionary is told with its place", () => {
  for (
    const [text, message] of [
      ["VENDOR Acme x", "d:1: vendor Acme needs a number"],
      ["\nVENDOR Acme 1 format=9,9", "d:2: format=9,9: a format is format=1,1 or the like"],
      ["BEGIN-VENDOR Acme", "d:1: vendor Acme was not defined before"],
      ["ATTRIBUTE A b string", "d:1: attribute A needs a number"],
    ]
  ) {
    assert.throws(() => new Dictionary().load(text!, "d", none), new DictionaryError(message));
  }
  const again = (file: string) => ({ file, text: `$INCLUDE ${file}` });
  assert.throws(() => new Dictionary().load("$INCLUDE a", "d", again), /includes too many files/);
});

Deno.test("the dictionaries of FreeRADIUS itself are read", () => {
  const folder = "/usr/share/freeradius";
  const read = (name: string) => ({ file: name, text: Deno.readTextFileSync(`${folder}/${name}`) });
  try {
    Deno.statSync(`${folder}/dictionary`);
  } catch {
    // deno-lint-ignore no-console
    console.warn(`SKIPPED: no dictionaries in ${folder}; install freeradius-common`);
    return;
  }
  const dictionary = new Dictionary();
  dictionary.load(read("dictionary").text, "dictionary", read);
  const builtIn = builtInDictionary();
  for (
    const name of [
      "Framed-IPv6-Prefix",
      "Tunnel-Password",
      "Mikrotik-Rate-Limit",
      "MS-CHAP2-Success",
      "Ascend-Data-Rate",
      "WISPr-Bandwidth-Max-Up",
    ]
  ) {
    const [theirs, ours] = [dictionary.named(name), builtIn.named(name)];
    const numbers = (one = theirs) => [one?.vendor, one?.type, one?.kind, one?.tagged, one?.hidden];
    assert.deepEqual(numbers(ours), numbers(theirs), name);
  }
});

Deno.test("values are what their RFCs say", () => {
  for (
    const [kind, octets, value] of [
      ["integer", "000005dc", 1500],
      ["integer", "05dc", undefined],
      ["signed", "ffffffff", -1],
      ["integer64", "0000000100000000", 0x1_0000_0000n],
      ["ipaddr", "0a000001", "10.0.0.1"],
      ["ipaddr", "0a0000", undefined],
      ["ipv6addr", "20010db8000000000000000000000001", "2001:db8::1"],
      // RFC 3162 §2.3, with as few octets as it needs, and with all.
      ["ipv6prefix", "003020010db80001", "2001:db8:1::/48"],
      ["ipv6prefix", "004020010db800010000ffffffffffffffff", "2001:db8:1::/64"],
      ["ipv6prefix", "004020010db80001", undefined],
      ["ipv6prefix", "0081", undefined],
      ["ipv6prefix", "00", undefined],
      ["ipv6prefix", "0000", "::/0"],
      ["ipv4prefix", "00180a010200", "10.1.2.0/24"],
      ["ipv4prefix", "00210a010200", undefined],
      ["ether", "02000000000a", "02:00:00:00:00:0a"],
    ] as [Kind, string, string | number | bigint | undefined][]
  ) {
    assert.equal(decodeValue(kind, hex(octets)), value, `${kind} ${octets}`);
  }
});

Deno.test("texts become values and values texts again", () => {
  const values = new Map([["L2TP", 3]]);
  for (
    const [kind, text, octets] of [
      ["integer", "L2TP", "00000003"],
      ["integer", "4294967295", "ffffffff"],
      ["integer", "4294967296", undefined],
      ["integer", "x", undefined],
      ["byte", "256", undefined],
      ["string", "é", "c3a9"],
      ["octets", "0x0102", "0102"],
      ["octets", "ab", "6162"],
      ["ipaddr", "10.0.0.1", "0a000001"],
      ["ipaddr", "::1", undefined],
      ["ipv6prefix", "2001:db8::/33", "002120010db800"],
      ["ipv6prefix", "2001:db8::", undefined],
      ["ether", "02-00-00-00-00-0a", "02000000000a"],
    ] as [Kind, string, string | undefined][]
  ) {
    assert.equal(encodeValue({ kind, values }, text)?.toHex(), octets, `${kind} ${text}`);
  }
  const number = fc.nat(0xffff_ffff);
  fc.assert(fc.property(number, (value) => {
    assert.equal(decodeValue("integer", encodeValue({ kind: "integer", values }, value)!), value);
  }));
});

Deno.test("tags are taken off as RFC 2868 says", () => {
  const text = { kind: "string", hidden: 0 } as const;
  assert.deepEqual(untag(text, hex("0161")), { tag: 1, value: hex("61") });
  assert.deepEqual(untag(text, hex("0061")), { tag: 0, value: hex("61") });
  assert.deepEqual(untag(text, hex("2061")), { tag: 0, value: hex("2061") });
  assert.deepEqual(untag(text, hex("")), { tag: 0, value: hex("") });
  const number = { kind: "integer", hidden: 0 } as const;
  assert.deepEqual(untag(number, hex("1f000003")), { tag: 31, value: hex("00000003") });
  assert.deepEqual(untag(number, hex("20000003")), { tag: 0, value: hex("00000003") });
  const password = { kind: "string", hidden: 2 } as const;
  assert.deepEqual(untag(password, hex("02ffee")), { tag: 2, value: hex("ffee") });
  assert.deepEqual(untag(password, hex("80ffee")), { tag: 0, value: hex("ffee") });
});
