/**
 * The contract test: what {@linkcode Plugin} promises, tried on one plugin over the real host. Run it in a plugin's own
 * tests:
 *
 * ```ts
 * testPlugin({ plugin: probe, options: { address: "10.0.0.1/24" }, changed: { address: "10.0.0.2/24" } });
 * ```
 *
 * @module
 */

import assert from "node:assert/strict";
import { Failure } from "../failure.ts";
import type { HostedCircuit } from "../host/circuit.ts";
import { makeHost, type PluginHost } from "../host/host.ts";
import type { Plugin, Row, Schema } from "../plugin.ts";
import { isRefusal } from "../session.ts";
import { makeSession, type TestSession } from "./session.ts";
import { makeWorld, settle, type World } from "./world.ts";

/** A plugin, and options to try it with. */
export interface ContractCase<Options, Section, PortOptions> {
  readonly plugin: Plugin<Options, Section, PortOptions>;
  /** Valid options of a circuit. */
  readonly options: Options;
  /** Other valid options that a running circuit takes without a restart. */
  readonly changed?: Options;
  /** Other valid options that need a restart, where there are such. */
  readonly restart?: Options;
  /** What a session says beside its circuit, where it can. */
  readonly portOptions?: PortOptions;
  /** The plugin's section, where it has one, and another. */
  readonly section?: Section;
  readonly changedSection?: Section;
  /** What each word is given. */
  readonly words?: Readonly<Record<string, object>>;
  /** Peers of the file that the options speak of. */
  readonly peers?: readonly string[];
  /** Plugins that it uses. */
  readonly others?: readonly Plugin[];
  /** Texts among the options that no operator may be shown. */
  readonly secrets?: readonly string[];
}

const WHY = { result: 3, message: "the test ends it" };
const kebab = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const line = /^[^\n]{1,100}$/;

/** Registers the tests of one plugin. */
export function testPlugin<
  Options extends object,
  Section extends object,
  PortOptions extends object,
>(
  subject: ContractCase<Options, Section, PortOptions>,
): void {
  const plugin = subject.plugin as unknown as Plugin;
  const { options, secrets = [] } = subject;
  const test = (claim: string, run: () => void | Promise<void>) =>
    Deno.test(`plugin ${plugin.name}: ${claim}`, run);
  const start = () =>
    startOn(makeWorld(), subject as unknown as ContractCase<object, object, object>);

  test("it says what it is", () => {
    assert.match(plugin.name, kebab);
    assert.match(plugin.summary, line);
    if (plugin.section) assert.match(plugin.section.key, kebab);
    for (const { name, help } of plugin.columns ?? []) {
      assert.match(name, kebab);
      assert.match(help, line);
    }
    for (const { name, help, columns } of plugin.views ?? []) {
      assert.match(name, kebab);
      assert.match(help, line);
      assert.ok(columns.length > 0);
    }
    for (const { help, word } of plugin.words ?? []) {
      assert.match(word, kebab);
      assert.match(help, line);
      assert.ok(subject.words?.[word], `no case for the word ${word}`);
    }
  });

  test("its schemas take good values and their own output, and refuse others without throwing", () => {
    const check = (schema: Schema<object>, goods: readonly (object | undefined)[]) => {
      for (const good of goods) {
        if (!good) continue;
        const { data } = schema.safeParse(good);
        assert.ok(data, "a valid value was refused");
        assert.deepEqual(schema.safeParse(data).data, data);
        assert.deepEqual(JSON.parse(JSON.stringify(data)), data);
        const { error } = schema.safeParse({ ...good, "no-such-option": 1 });
        const [issue] = error?.issues ?? [];
        // A map takes any name, but not any value.
        if (issue?.path[0] === "no-such-option") continue;
        assert.equal(issue?.code, "unrecognized_keys");
        assert.deepEqual(issue.keys, ["no-such-option"]);
      }
      for (const bad of [null, 7, "x", [], [{}]]) {
        assert.equal(schema.safeParse(bad).success, false);
      }
    };
    if (plugin.options) check(plugin.options, [options, subject.changed, subject.restart]);
    if (plugin.portOptions) check(plugin.portOptions, [subject.portOptions]);
    if (plugin.section) check(plugin.section.schema, [subject.section, subject.changedSection]);
  });

  test("what is pure changes nothing and says the same again", () => {
    assert.deepEqual(plugin.claims?.(options), plugin.claims?.(options));
    const named = [{ name: "circuit-1", options }];
    const check = () =>
      plugin.check?.(subject.section ?? {}, named, {
        circuits: ["circuit-1"],
        peers: subject.peers ?? [],
      }) ?? [];
    assert.deepEqual(check(), []);
    assert.deepEqual(check(), []);
  });

  test("its service and a circuit leave nothing behind, and no frames flow before a session", async () => {
    const { host, world } = await provisioned(await start());
    assert.ok(!world.trace.includes("+join"), "frames may flow before a session is attached");
    await host.end(WHY);
    assert.deepEqual(world.leftovers(), []);
  });

  test("whatever operation is refused, all is undone, and all comes up later", async () => {
    for (let operations = 0;; operations++) {
      const world = makeWorld();
      world.refuseAfter(operations);
      const { circuit, host, session } = await provisioned(await startOn(world, subject as never));
      await assert.doesNotReject(session.attach(circuit, subject.portOptions).catch(() => {}));
      const { refused } = world;
      world.refuseAfter(Infinity);
      await world.advance(60_000);
      assert.ok(
        circuit.up,
        `after refusal ${operations} the circuit stays down: ${circuit.reason}`,
      );
      if (!session.answer || isRefusal(session.answer) || session.ended) {
        await session.attach(circuit, subject.portOptions);
      }
      await host.end(WHY);
      assert.deepEqual(world.leftovers(), [], `left behind after refusal ${operations}`);
      if (!refused) break;
    }
  });

  test("a session that ends is undone alone, and another can be attached", async () => {
    const { circuit, host, session, world } = await provisioned(await start());
    const before = world.leftovers();
    for (let round = 1; round <= 2; round++) {
      const attached = await session.attach(circuit, subject.portOptions);
      await attached.end(WHY);
      await attached.end(WHY);
      assert.equal(session.ended, undefined, "who ends a session is not told so");
      assert.equal(world.ports.get(session.id)?.joined, undefined);
      assert.deepEqual(world.leftovers(), before);
      assert.equal(circuit.sessions, 0);
    }
    await host.end(WHY);
  });

  test("a circuit that ends takes its sessions with it", async () => {
    const { circuit, host, session, world } = await provisioned(await start());
    await session.attach(circuit, subject.portOptions);
    await circuit.end(WHY);
    assert.deepEqual(session.ended, WHY);
    assert.equal(world.ports.get(session.id)?.joined, undefined);
    assert.equal(isRefusal(await circuit.attach(session.facts, {}, () => {})), true);
    await host.end(WHY);
    assert.deepEqual(world.leftovers(), []);
  });

  test("a session that ends while it is being attached leaves nothing behind", async () => {
    for (let turns = 0; turns < 12; turns++) {
      const { circuit, host, session, world } = await provisioned(await start());
      const attaching = session.attach(circuit, subject.portOptions).catch(() => {});
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      await host.end(WHY);
      await attaching;
      assert.deepEqual(world.leftovers(), [], `left behind after ${turns} turns`);
    }
  });

  test("it takes as many sessions as it says", async () => {
    const { circuit, host, session, world } = await provisioned(await start());
    const answers = [await session.attach(circuit, subject.portOptions)];
    while (!circuit.refusal() && answers.length < 5) {
      const more = anotherSession(world, host, plugin, answers.length);
      answers.push(await more.attach(circuit, subject.portOptions));
    }
    const refusal = circuit.refusal();
    if (refusal) assert.equal(refusal.refuse.result, 4);
    await host.end(WHY);
    assert.deepEqual(world.leftovers(), []);
  });

  test("changed options keep sessions joined, or it says that a restart is needed", async () => {
    const { circuit, host, session, world } = await provisioned(await start());
    const attached = await session.attach(circuit, subject.portOptions);
    const joined = world.ports.get(session.id)?.joined;
    if (subject.changed) {
      assert.equal(await circuit.reconfigure(options), true, "its own options again");
      assert.equal(await circuit.reconfigure(subject.changed), true);
    }
    if (subject.restart) assert.equal(await circuit.reconfigure(subject.restart), false);
    if (subject.portOptions) await attached.reconfigure(subject.portOptions);
    assert.equal(world.ports.get(session.id)?.joined, joined);
    assert.equal(session.ended, undefined);
    await host.end(WHY);
    assert.deepEqual(world.leftovers(), []);
  });

  test("a change that is refused is taken back", async () => {
    for (let operations = 0; subject.changed; operations++) {
      const { circuit, host, session, world } = await provisioned(await start());
      const attached = await session.attach(circuit, subject.portOptions);
      const shown = JSON.stringify(attached.attachment.show?.() ?? {});
      const taps = () => JSON.stringify([...world.ports.values()].map(({ tap }) => tap?.options));
      const before = taps();
      world.refuseAfter(operations);
      const failed = await circuit.reconfigure(subject.changed).then(() => false, () => true);
      const { refused } = world;
      world.refuseAfter(Infinity);
      if (failed) {
        assert.equal(JSON.stringify(attached.attachment.show?.() ?? {}), shown);
        assert.equal(taps(), before);
      }
      await host.end(WHY);
      if (!refused) break;
    }
  });

  test("a changed section is taken, or the service begins anew with its circuits", async () => {
    if (!subject.changedSection) return;
    const { circuit, host, world } = await provisioned(await start());
    await host.reconfigure(plugin.name, subject.changedSection);
    await settle();
    assert.ok(circuit.up);
    await host.reconfigure(plugin.name, subject.section ?? {});
    await host.end(WHY);
    assert.deepEqual(world.leftovers(), []);
  });

  test("state and MTU changes are taken, also without a change", async () => {
    const { circuit, host, session, world } = await provisioned(await start(), { up: false });
    const { attachment } = await session.attach(circuit, subject.portOptions);
    for (const up of [true, true, false, true]) {
      await session.set({ up });
      await world.advance(10_000);
    }
    await session.set({ frameMtu: session.facts.port.frameMtu - 4 });
    if (attachment.mtu !== undefined) assert.ok(attachment.mtu <= session.facts.port.frameMtu);
    for (const message of ["SLI", "WEN"] as const) session.hear(message, {});
    assert.equal(session.ended, undefined);
    await host.end(WHY);
    assert.deepEqual(world.leftovers(), []);
  });

  test("any frames are survived", async () => {
    const { circuit, host, session, world } = await provisioned(await start());
    await session.attach(circuit, subject.portOptions);
    session.receive(new Uint8Array(0), new Uint8Array(1), new Uint8Array(9000).fill(0xff));
    for (let length = 0; length < 80; length++) session.receive(world.leaves.random(length));
    await world.advance(10_000);
    assert.equal(session.ended, undefined);
    assert.deepEqual(world.lines.filter(({ level }) => level === "error"), []);
    await host.end(WHY);
  });

  test("what operators see is JSON in the columns that it names, and holds no secrets", async () => {
    const { circuit, host, session, world } = await provisioned(await start());
    const { attachment } = await session.attach(circuit, subject.portOptions);
    await world.advance(5_000);
    const shown = attachment.show?.() ?? {};
    assert.deepEqual(JSON.parse(JSON.stringify(shown)), shown);
    for (const { name } of plugin.columns ?? []) assert.ok(name in shown, `no cell for ${name}`);
    const rows: Row[] = [];
    for (const { columns, name } of plugin.views ?? []) {
      for await (const row of host.show(name)) {
        rows.push(row);
        for (const column of columns) assert.ok(column.name in row, `${name}: no ${column.name}`);
      }
    }
    const answers = [];
    for (const [word, given] of Object.entries(subject.words ?? {})) {
      answers.push(
        await host.run(word, given).catch((error) => {
          assert.ok(error instanceof Failure, "a word answers, or says why it cannot");
          return error.message;
        }),
      );
      await assert.rejects(host.run(word, { ...given, "no-such-option": 1 }), Failure);
    }
    for (const name of world.meters.keys()) assert.match(name, /^[a-z][a-z0-9-]*(_[a-z0-9]+)*$/);
    const seen = JSON.stringify([shown, rows, answers, world.lines, world.events, world.hooks]);
    for (const secret of secrets) assert.ok(!seen.includes(secret));
    await host.end(WHY);
    assert.deepEqual(world.leftovers(), []);
  });
}

interface Started {
  readonly world: World;
  readonly host: PluginHost;
  readonly subject: ContractCase<object, object, object>;
}

async function startOn(
  world: World,
  subject: ContractCase<object, object, object>,
): Promise<Started> {
  const host = makeHost(world.leaves, [...subject.others ?? [], subject.plugin]);
  world.host = host;
  const starting = host.start(new Map([[subject.plugin.name, subject.section ?? {}]]));
  await settle();
  await starting;
  return { host, subject, world };
}

/** A host, a circuit on it, and a session that it can carry. */
async function provisioned(
  { host, subject, world }: Started,
  state: { up?: boolean } = {},
): Promise<{ world: World; host: PluginHost; circuit: HostedCircuit; session: TestSession }> {
  const circuit = host.circuit(subject.plugin.name, "circuit one", subject.options);
  await circuit.first;
  const [pseudowireType] = subject.plugin.pseudowireTypes;
  const session = makeSession(world, host, {
    pseudowireType: pseudowireType!,
    request: "ICRQ",
    ...state,
  });
  return { world, host, circuit, session };
}

function anotherSession(world: World, host: PluginHost, plugin: Plugin, n: number): TestSession {
  const [pseudowireType] = plugin.pseudowireTypes;
  return makeSession(world, host, { name: `branch/${n}`, pseudowireType: pseudowireType! });
}
