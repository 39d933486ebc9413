/** Tests that share one setup and that say loudly when they cannot run. @module */

import { missing, type Need } from "./programs.ts";

/** The tests of one file. */
export interface Suite<Context> {
  /**
   * Adds a test that gets what the setup made.
   *
   * @param sanitized whether all that a test begins must end with it; false where the setup's own sockets go on
   */
  test(
    name: string,
    body: (context: Context, t: Deno.TestContext) => Promise<void>,
    sanitized?: boolean,
  ): void;
}

/**
 * Tests that share what `setup` makes once, before the first of them; what it puts on the stack is disposed of after the
 * last. Where the machine lacks one of `needs`, all are ignored and the reason is printed.
 */
export function suite<Context>(
  file: string,
  needs: readonly Need[],
  setup: (stack: AsyncDisposableStack) => Promise<Context>,
): Suite<Context> {
  const name = file.slice(file.lastIndexOf("/") + 1);
  const lacking = missing(needs);
  const ignore = lacking.length > 0;
  const stack = new AsyncDisposableStack();
  const started = performance.now();
  let context: { readonly value: Context } | undefined;
  if (ignore) say(`SKIPPED ${name}: ${lacking.join(", ")}`);

  Deno.test.beforeAll(async () => {
    if (!ignore) context = { value: await setup(stack) };
  });
  Deno.test.afterAll(async () => {
    await stack.disposeAsync();
    if (!ignore) say(`${name} took ${((performance.now() - started) / 1000).toFixed(1)} s`);
  });
  return {
    test(title, body, sanitized = true) {
      Deno.test({
        name: title,
        ignore,
        sanitizeOps: sanitized,
        sanitizeResources: sanitized,
        fn: (t) => body(context!.value, t),
      });
    },
  };
}

/** Prints a line past the test runner's capture of the console. */
export function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}
