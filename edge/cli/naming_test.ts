import assert from "node:assert/strict";
import { type Keyword } from "./keywords.ts";
import { inLogWords, logKeywords } from "./log_words.ts";
import { inKeywords, inPart } from "./naming.ts";
import { peerKeywords } from "./peer_words.ts";
import { inSessionWords, sessionKeywords } from "./session_words.ts";
import { tunnelKeywords } from "./tunnel_words.ts";

const tables = {
  tunnel: tunnelKeywords,
  session: sessionKeywords,
  peer: peerKeywords,
  log: logKeywords,
};

/** Every attribute that some value of a keyword writes. */
function written({ read, value }: Keyword): Set<string> {
  const values = ["1", "x", "10.0.0.1", "fd00::1", "[]", "{}", "none", ...value.split("|")];
  const all = values.flatMap((text) => {
    try {
      return Object.keys(read?.(text) ?? {});
    } catch {
      return []; // no value of this one
    }
  });
  return new Set(all);
}

Deno.test("whatever a keyword writes, what is wrong with it is told under the keyword", () => {
  for (const [what, known] of Object.entries(tables)) {
    const inWords = inKeywords(known);
    for (const keyword of known) {
      for (const attribute of written(keyword)) {
        const fault = inWords({ attribute, message: "wrong" });
        assert.equal(fault.attribute, keyword.name, `${what}: ${attribute}`);
      }
    }
  }
});

Deno.test("a part of what was given as YAML keeps its place", () => {
  const peer = inKeywords(peerKeywords);
  assert.equal(peer({ attribute: "accept[1].name", message: "" }).attribute, "accept[1].name");
  assert.equal(peer({ attribute: "elsewhere", message: "" }).attribute, "elsewhere");
});

Deno.test("circuits, ports and the log are told in their words", () => {
  const session = (words: string, attribute: string) =>
    inSessionWords(words.split(" "))({ attribute, message: "" }).attribute;
  assert.equal(session("tap t0", "circuit.name"), "tap");
  assert.equal(session("tap t0 address x", "circuit.tap.addresses[0]"), "address");
  assert.equal(
    session("circuit probe a 1", "circuit.probe.targets[0]"),
    "circuit probe: targets[0]",
  );
  assert.equal(session("circuit probe a 1", "circuit.targets"), "circuit probe: targets");
  assert.equal(session("circuit probe a 1", "cookie"), "cookie");
  assert.equal(session("circuit probe a 1", "send-seq"), "seq");
  // Its name is no keyword.
  assert.equal(session("name circuit tap t0", "circuit.name"), "tap");
  const port = inPart(["switches", "br0", "ports", "p1"], "port p1");
  const attribute = (attribute: string) => port({ attribute, message: "" }).attribute;
  assert.equal(attribute("switches.br0.ports.p1.tag"), "tag");
  assert.equal(attribute("switches.br0.ports.p1"), "port p1");
  assert.equal(attribute("switches.br0.ports.p12.tag"), "switches.br0.ports.p12.tag");
  assert.equal(inLogWords({ attribute: "log.level", message: "" }).attribute, "level");
  assert.equal(inLogWords({ attribute: "log.levels.branch", message: "" }).attribute, "of");
});
