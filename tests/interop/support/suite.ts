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
 * Tests that share what `setup` makes before the first of them; what it puts on the stack is disposed of after the last.
 * After a test that failed it is made anew, so that the next one stands for itself; a setup that failed is not tried
 * again. Where the machine lacks one of `needs`, all are ignored and the reason is printed.
 */
export function suite<Context>(
  file: string,
  needs: readonly Need[],
  setup: (stack: AsyncDisposableStack) => Promise<Context>,
): Suite<Context> {
  const name = file.slice(file.lastIndexOf("/") + 1);
  const lacking = missing(needs);
  const ignore = lacking.length > 0;
  const started = performance.now();
  let stack = new AsyncDisposableStack();
  let context: { readonly value: Context } | undefined;
  let [added, begun, sound] = [0, 0, true];
  if (ignore) say(`SKIPPED ${name}: ${lacking.join(", ")}`);

  const make = async () => {
    if (!ignore) context = { value: await setup(stack) };
  };
  Deno.test.beforeAll(make);
  // Here and not before the next test, which would be held to account for what it neither opened nor closed.
  Deno.test.afterEach(async () => {
    if (sound || !context || begun === added) return;
    context = undefined;
    await stack.disposeAsync();
    stack = new AsyncDisposableStack();
    await make().catch((error) => say(`the setup of ${name} failed after a failed test: ${error}`));
  });
  Deno.test.afterAll(async () => {
    await stack.disposeAsync();
    if (!ignore) say(`${name} took ${((performance.now() - started) / 1000).toFixed(1)} s`);
  });
  return {
    test(title, body, sanitized = true) {
      added++;
      Deno.test({
        name: title,
        ignore,
        sanitizeOps: sanitized,
        sanitizeResources: sanitized,
        async fn(t) {
          if (!context) throw new Error("no setup: it failed after the last failed test");
          begun++;
          sound = false;
          await body(context.value, t);
          sound = true;
        },
      });
    },
  };
}

/** Prints a line past the test runner's capture of the console. */
export function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}
