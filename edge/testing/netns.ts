/** Network namespaces for tests that need real devices, and whether this machine lets us have them. @module */

import assert from "node:assert/strict";

/** Runs `ip`; the text is what it printed, or why it failed. */
export async function ip(...args: string[]): Promise<{ success: boolean; text: string }> {
  const { success, stdout, stderr } = await new Deno.Command("ip", { args }).output();
  return { success, text: new TextDecoder().decode(success ? stdout : stderr) };
}

/** A named network namespace; disposal removes it. */
export interface Namespace extends AsyncDisposable {
  readonly name: string;
  /** Runs `ip` in it. */
  ip(...args: string[]): Promise<{ success: boolean; text: string }>;
}

/** Makes a namespace whose name no other process uses. */
export async function makeNamespace(label: string): Promise<Namespace> {
  const name = `isthmus-${label}-${Deno.pid}`;
  const { success, text } = await ip("netns", "add", name);
  assert.ok(success, text);
  return {
    name,
    ip: (...args) => ip("-n", name, ...args),
    async [Symbol.asyncDispose]() {
      await ip("netns", "delete", name);
    },
  };
}

/** Whether namespaces and TAP devices can be had: root with iproute2 and /dev/net/tun. */
export function namespacesAvailable(): boolean {
  const name = `isthmus-probe-${Deno.pid}`;
  try {
    Deno.statSync("/dev/net/tun");
    const run = (verb: string) =>
      new Deno.Command("ip", { args: ["netns", verb, name], stderr: "null" }).outputSync().success;
    return run("add") && run("delete");
  } catch {
    return false;
  }
}
