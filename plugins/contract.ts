/**
 * The contract test: what {@linkcode Plugin} promises, tried on one plugin. Run it in a plugin's own tests:
 *
 * ```ts
 * testPlugin({ plugin: probe, options: { address: "10.0.0.1/24" }, changed: { address: "10.0.0.2/24" } });
 * ```
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Circuit, Plugin, Session } from "./plugin.ts";
import { CircuitError } from "./plugin.ts";
import { type TestHost, testHost } from "./testing.ts";

/** A plugin, and options to try it with. */
export interface ContractCase<Options> {
  readonly plugin: Plugin<Options>;
  /** Valid options. */
  readonly options: Options;
  /** Other valid options that a running circuit takes without a restart. */
  readonly changed: Options;
  /** Other valid options that need a restart, where there are such. */
  readonly restart?: Options;
  /** Texts among the options that no operator may be shown. */
  readonly secrets?: readonly string[];
}

/** Registers the tests of one plugin. */
export function testPlugin<Options>(subject: ContractCase<Options>): void {
  const { plugin, options } = subject;
  const test = (claim: string, run: () => void | Promise<void>) =>
    Deno.test(`plugin ${plugin.name}: ${claim}`, run);

  test("its name is kebab-case and it says what it is", () => {
    assert.match(plugin.name, /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/);
    assert.match(plugin.summary, /^[^\n]{1,100}$/);
    assert.ok(plugin.pseudowireTypes.length > 0);
  });

  test("its schema takes good options, and its own output again", () => {
    for (const good of [options, subject.changed, subject.restart ?? options]) {
      const parsed = plugin.options.parse(good);
      assert.deepEqual(plugin.options.parse(parsed), parsed);
    }
  });

  test("its schema refuses unknown keys, and says where", () => {
    const { error } = plugin.options.safeParse({ ...options, "no-such-option": 1 });
    const [issue] = error?.issues ?? [];
    assert.equal(issue?.code, "unrecognized_keys");
    assert.deepEqual(issue.code === "unrecognized_keys" && issue.keys, ["no-such-option"]);
  });

  test("its schema refuses what is no object without throwing", () => {
    for (const bad of [null, 7, "x", [], [options]]) {
      assert.equal(plugin.options.safeParse(bad).success, false);
    }
  });

  test("a circuit provisioned and disposed of leaves nothing behind", async () => {
    const host = testHost();
    const circuit = await plugin.provision(host, options);
    assert.equal(host.joins, 0, "frames may flow before attach");
    await circuit[Symbol.asyncDispose]();
    assert.deepEqual(host.leftovers(), []);
  });

  test("provision fails cleanly whatever the host refuses", () =>
    everyRefusal(async (host) => {
      const circuit = await plugin.provision(host, options);
      return () => circuit[Symbol.asyncDispose]();
    }));

  test("attach fails cleanly whatever the host refuses, and works afterwards", async () => {
    for (let operations = 0;; operations++) {
      const { host, circuit, session } = await provisioned(subject);
      const before = host.leftovers();
      host.refuseAfter(operations);
      const attachment = await failing(async () => await circuit.attach(session));
      const { refused } = host;
      host.refuseAfter(Infinity);
      if (attachment === undefined) {
        assert.deepEqual(host.leftovers(), before, `left behind after refusal ${operations}`);
        await (await circuit.attach(session))[Symbol.asyncDispose]();
      }
      await circuit[Symbol.asyncDispose]();
      assert.deepEqual(host.leftovers(), []);
      if (!refused) break;
    }
  });

  test("attach joins the session's port exactly once, and its disposal parts it", async () => {
    const { host, circuit, session } = await provisioned(subject);
    const before = host.leftovers();
    for (let round = 1; round <= 2; round++) {
      const attachment = await circuit.attach(session);
      assert.equal(host.joins, round);
      assert.notEqual(host.ports.get(session.port)?.joined, undefined);
      await attachment[Symbol.asyncDispose]();
      await attachment[Symbol.asyncDispose]();
      assert.equal(host.ports.get(session.port)?.joined, undefined);
      assert.deepEqual(host.leftovers(), before);
    }
    await circuit[Symbol.asyncDispose]();
  });

  test("an attachment disposed of twice does not part the next one", async () => {
    const { host, circuit, session } = await provisioned(subject);
    const first = await circuit.attach(session);
    await first[Symbol.asyncDispose]();
    const second = await circuit.attach(session);
    await first[Symbol.asyncDispose]();
    assert.notEqual(host.ports.get(session.port)?.joined, undefined);
    await second[Symbol.asyncDispose]();
    await circuit[Symbol.asyncDispose]();
  });

  test("disposing of a circuit disposes of its attachments, in any order", async () => {
    const { host, circuit, session } = await provisioned(subject);
    const attachment = await circuit.attach(session);
    await circuit[Symbol.asyncDispose]();
    assert.equal(host.ports.get(session.port)?.joined, undefined);
    assert.deepEqual(host.leftovers(), []);
    await attachment[Symbol.asyncDispose]();
    await circuit[Symbol.asyncDispose]();
    assert.deepEqual(host.leftovers(), []);
  });

  test("admit is pure, and agrees with attach", async () => {
    const { host, circuit, session } = await provisioned(subject);
    const before = host.leftovers();
    const decisions = [circuit.admit?.(session), circuit.admit?.(session)];
    assert.deepEqual(decisions[0] ?? { accept: true }, { accept: true });
    assert.deepEqual(decisions[0], decisions[1]);
    assert.deepEqual(host.leftovers(), before);
    await circuit.attach(session);
    const second = host.session({ name: "second" });
    const admission = circuit.admit?.(second) ?? { accept: true };
    const attached = await failing(async () => await circuit.attach(second));
    assert.equal(attached !== undefined, admission.accept);
    if (!admission.accept) {
      assert.ok(admission.result > 0 && admission.result <= 0xffff);
      assert.equal(host.ports.get(second.port)?.joined, undefined);
    }
    await circuit[Symbol.asyncDispose]();
  });

  test("reconfigure keeps sessions joined, or says that a restart is needed", async () => {
    const { host, circuit, session } = await provisioned(subject);
    await circuit.attach(session);
    const joined = host.ports.get(session.port)?.joined;
    assert.equal(await circuit.reconfigure?.(options) ?? true, true, "its own options again");
    assert.equal(await circuit.reconfigure?.(subject.changed) ?? false, true);
    if (subject.restart) {
      assert.equal(await circuit.reconfigure?.(subject.restart) ?? false, false);
    }
    assert.equal(host.joins, 1);
    assert.equal(host.ports.get(session.port)?.joined, joined);
    await circuit[Symbol.asyncDispose]();
    assert.deepEqual(host.leftovers(), []);
  });

  test("status and MTU changes are taken, also without a change", async () => {
    const { host, circuit, session } = await provisioned(subject);
    const attachment = await circuit.attach({ ...session, up: false });
    for (const up of [true, true, false, true]) {
      attachment.onStatus?.(up);
      host.advance(10_000);
    }
    attachment.onFrameMtu?.(session.frameMtu - 4);
    if (attachment.mtu !== undefined) assert.ok(attachment.mtu < session.frameMtu);
    await circuit[Symbol.asyncDispose]();
    assert.deepEqual(host.leftovers(), []);
  });

  test("what operators see is short, is JSON and holds no secrets", async () => {
    const { host, circuit, session } = await provisioned(subject);
    const attachment = await circuit.attach(session);
    host.advance(5_000);
    const details = attachment.details?.() ?? {};
    assert.deepEqual(JSON.parse(JSON.stringify(details)), details);
    const summary = attachment.describe?.() ?? "";
    assert.match(summary, /^[^\n]{0,100}$/);
    const seen = JSON.stringify([details, summary, host.lines, [...host.meters.keys()]]);
    for (const secret of subject.secrets ?? []) assert.ok(!seen.includes(secret));
    await circuit[Symbol.asyncDispose]();
  });

  test("meters are named in snake_case", async () => {
    const { host, circuit } = await provisioned(subject);
    for (const name of host.meters.keys()) assert.match(name, /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/);
    await circuit[Symbol.asyncDispose]();
  });
}

/** A host, a circuit on it, and a session that it can carry. */
async function provisioned<Options>(
  { plugin, options }: ContractCase<Options>,
): Promise<{ host: TestHost; circuit: Circuit<Options>; session: Session }> {
  const host = testHost();
  const circuit = await plugin.provision(host, options);
  const [pseudowireType] = plugin.pseudowireTypes;
  return { host, circuit, session: host.session({ pseudowireType: pseudowireType! }) };
}

/** Runs `work` again and again with its first, second, … operation refused, until none is. */
async function everyRefusal(work: (host: TestHost) => Promise<() => PromiseLike<void>>) {
  for (let operations = 0;; operations++) {
    const host = testHost();
    host.refuseAfter(operations);
    const undo = await failing(() => work(host));
    if (!undo) assert.deepEqual(host.leftovers(), [], `left behind after refusal ${operations}`);
    const { refused } = host;
    host.refuseAfter(Infinity);
    await undo?.();
    if (!refused) return;
  }
}

/** The result of `work`, or undefined where it failed with a {@linkcode CircuitError}; other errors pass. */
async function failing<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CircuitError) return undefined;
    throw error;
  }
}
