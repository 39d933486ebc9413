import assert from "node:assert/strict";
import { z } from "zod";
import type { Plugin } from "../../plugins/plugin.ts";
import { describeConfig } from "./describe.ts";
import { parseConfig } from "./parse.ts";
import { ConfigError } from "./problem.ts";

const start = () => ({});
const ports = z.strictObject({ tag: z.int().min(1).max(4094).optional() });
const switches = z.strictObject({
  names: z.array(z.string()).default([]),
  "admin-secret": z.string().optional(),
});
const plugins: readonly Plugin[] = [
  {
    name: "switch",
    summary: "a switch",
    pseudowireTypes: [5],
    options: z.strictObject({ of: z.string() }),
    portOptions: ports,
    section: { key: "switches", schema: switches },
    check: (section, circuits) =>
      circuits.flatMap(({ name, options }) => {
        const { of } = options as { of: string };
        const { names } = section as { names: string[] };
        return names.includes(of) ? [] : [`${name}: no switch ${of}`];
      }),
    start,
  },
  {
    name: "tap",
    summary: "a TAP",
    pseudowireTypes: [5],
    options: z.strictObject({ name: z.string() }),
    claims: (options) => [`TAP ${(options as { name: string }).name}`],
    start,
  },
  {
    name: "needy",
    summary: "needs its section",
    pseudowireTypes: [5],
    options: z.strictObject({}),
    section: { key: "needs", schema: z.strictObject({ server: z.string() }) },
    start,
  },
  {
    name: "frames",
    summary: "PPP only",
    pseudowireTypes: [7],
    options: z.strictObject({}),
    start,
  },
];

const parse = (text: string) =>
  parseConfig(text, { file: "/etc/isthmus/f.yaml", plugins, defaults: { hostName: "edge1" } });
const errors = (text: string) => {
  try {
    parse(text);
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message.split("\n").map((line) => line.replace("/etc/isthmus/f.yaml:", ""));
  }
};
const session = (circuit: string) =>
  `tunnels:
  t:
    static: { tunnel-id: 1, peer-tunnel-id: 2 }
    remote: 10.0.0.1
    sessions: { s: { session-id: 1, peer-session-id: 2, circuit: ${circuit} } }
`;

Deno.test("sections, named circuits, plugins and hooks are read, and shown again without secrets", () => {
  const config = parse(`switches: { names: [br0], admin-secret: hush }
circuits:
  lan: { switch: { of: br0 } }
  office: { tap: { name: office0 } }
plugins: [./echo.ts, /opt/stream.ts]
hooks: { session-up: /etc/up, tunnel-down: [/usr/bin/logger, -t, isthmus] }
state-folder: /srv/isthmus
${session("{ lan: { tag: 7 } }")}`);
  assert.deepEqual(config.sections, {
    switch: { key: "switches", value: { names: ["br0"], "admin-secret": "hush" } },
  });
  assert.deepEqual(config.circuits, [
    { name: "lan", plugin: "switch", options: { of: "br0" } },
    { name: "office", plugin: "tap", options: { name: "office0" } },
  ]);
  assert.deepEqual(config.plugins, ["/etc/isthmus/echo.ts", "/opt/stream.ts"]);
  assert.deepEqual(config.hooks["tunnel-down"], ["/usr/bin/logger", "-t", "isthmus"]);
  assert.deepEqual(config.hooks["session-up"], ["/etc/up"]);
  assert.equal(config.stateFolder, "/srv/isthmus");
  assert.deepEqual(config.tunnels[0]?.sessions[0]?.circuit, {
    name: "lan",
    plugin: "switch",
    options: { tag: 7 },
  });
  const shown = describeConfig(config);
  assert.ok(!JSON.stringify(shown).includes("hush"));
  assert.deepEqual(parse(JSON.stringify(shown)).circuits, config.circuits);
});

Deno.test("a session names a circuit alone, or says more", () => {
  const circuit = (text: string) =>
    parse(`circuits: { office: { tap: { name: a0 } } }\n${session(text)}`).tunnels[0]?.sessions[0]
      ?.circuit;
  assert.deepEqual(circuit("office"), { name: "office", plugin: "tap", options: {} });
  assert.deepEqual(circuit("{ office: }"), { name: "office", plugin: "tap", options: {} });
  assert.deepEqual(circuit("{ tap: { name: b0 } }"), { plugin: "tap", options: { name: "b0" } });
});

Deno.test("what is wrong is told where it stands, and nothing is told of what names it", () => {
  const managed = (more: string) =>
    `tunnels: { t: { peer: p, remote: 10.0.0.1, sessions: { s: { ${more} } } } }`;
  const wrong: [string, RegExp][] = [
    // A section that is there and wrong is not missing.
    ["needs: { server: 7 }\ncircuits: { n: { needy: {} } }", /needs\.server: got 7/],
    ["needs: 7\ncircuits: { n: { needy: {} } }", /needs: got 7/],
    ["switches: { names: 7 }\ncircuits: { lan: { switch: { of: br0 } } }", /switches\.names/],
    // A circuit, whatever a session says beside its name.
    [`circuits: { lan: { tap: 7 } }\n${session("{ lan: { tag: 7 } }")}`, /circuits\.lan\.tap/],
    // All circuits, or all peers.
    [`circuits: 7\n${session("lan")}`, /circuits: got 7/],
    [`circuits: 7\n${session("{ lan: { tag: 7 } }")}`, /circuits: got 7/],
    [`peers: 7\n${managed("")}`, /peers: got 7/],
    // A peer's version, which says what a call is by default and what it may be.
    [
      `peers: { p: { proto-version: "2", accept: [{ circuit: { frames: {} } }] } }\n` +
      managed("circuit: { frames: {} }"),
      /peers\.p\.proto-version/,
    ],
    [
      session("{ frames: {} }").replace("remote:", `proto-version: "2"\n    remote:`),
      /proto-version/,
    ],
    // A listener, whose packets a tunnel's socket would get too.
    [
      `listen: [{ ip: 0.0.0.0, device: 7 }]
tunnels:
  a: { static: { tunnel-id: 1, peer-tunnel-id: 2 }, encap: ip, local: 10.0.0.9, remote: 10.0.0.1 }
  b: { static: { tunnel-id: 3, peer-tunnel-id: 4 }, encap: ip, local: 0.0.0.0, remote: 10.0.0.1 }
`,
      /listen\[0\]\.device/,
    ],
  ];
  for (const [text, expected] of wrong) {
    const found = errors(text);
    assert.equal(found.length, 1, `${text}\n${found.join("\n")}`);
    assert.match(found[0]!, expected);
  }
  // One that is not there is missing still.
  assert.equal(errors("needs:\ncircuits: { n: { needy: {} } }").length, 1);
  assert.equal(errors(managed("")).length, 1);
});

Deno.test("what is wrong with circuits, sections and hooks is told with its place", () => {
  const cases: [string, string[]][] = [
    ["circuits: { tap: { tap: { name: a } } }", [
      "1:13: circuits.tap: tap is the name of a plugin; expected another",
    ]],
    ["circuits: { lan: { tpa: {} } }", [
      "1:20: circuits.lan.tpa: no such plugin; did you mean tap?",
    ]],
    ["switches: { nmes: [] }", ["1:13: switches.nmes: unknown key; did you mean names?"]],
    ["circuits: { lan: { switch: { of: br1 } } }", ["1:18: circuits.lan: no switch br1"]],
    ["circuits: { n: { needy: {} } }", ["1:16: circuits.n: needy needs the section needs"]],
    ["circuits: { a: { tap: { name: x } }, b: { tap: { name: x } } }", [
      "1:48: circuits.b.tap: TAP x belongs to circuits.a already; expected another",
    ]],
    ["hooks: { Up: /x }", ["1:10: hooks.Up: expected an event, such as session-up"]],
    ["hooks: { up: ./x }", ['1:14: hooks.up: got "./x"; expected an absolute path']],
    ["state-folder: here", ['1:15: state-folder: got "here"; expected an absolute path']],
  ];
  for (const [text, expected] of cases) {
    const found = errors(text);
    assert.equal(found.length, expected.length, `${text}: ${found.join(", ")}`);
    for (const [i, line] of expected.entries()) {
      // The place and what would be right count; hints of spelling may differ.
      assert.equal(found[i]!.split(": ")[1], line.split(": ")[1], found[i]);
    }
  }
  assert.equal(errors(`circuits: { lan: { tap: 7 } }\n${session("lan")}`).length, 1);
  const [unknown] = errors(session("lna"));
  assert.match(unknown!, /no such circuit/);
  const [more] = errors(`circuits: { o: { tap: { name: a } } }\n${session("{ o: { tag: 1 } }")}`);
  assert.match(more!, /circuit\.o/);
});
