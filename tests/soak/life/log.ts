/** Warnings and errors of a log, and which of them the soak asked for. @module */

import type { Appliance } from "../../interop/support/appliance.ts";
import { say } from "../../interop/support/suite.ts";

/** What is expected: peers are killed, files are wrong. */
const expected: readonly RegExp[] = [
  /(tunnel|message|call) (refused|lost)/,
  /reload failed: nothing was changed/,
  /cannot dial/,
  /control connection closed .*timed out/,
  /session down/,
  /a login failed .*(established in time|no answer|let go of|rejects the protocol|terminates it|silent|no Echo-Request)/,
  // Sixty subscribers that are gone are thrown out at once.
  /cannot undo a step in order .*took longer than/,
  /down, and tried again/,
];

/** Lines of a kind, by their text without what is particular to each. */
function kindOf(line: string): string {
  return line.replace(/^\S+ /, "").replace(/(path|reason|tunnel|session|peer)=("[^"]*"|\S+)/g, "$1")
    .replace(/\d+/g, "N").slice(0, 160);
}

/** Says how many warnings there were of each kind, and returns those that are not expected. */
export async function unexpected(who: string, { process }: Appliance): Promise<string[]> {
  const lines = (await process.log()).split("\n").filter((line) =>
    !/^\S+ (info|debug) /.test(line)
  );
  const loud = lines.filter((line) => line !== "");
  for (const [kind, all] of Map.groupBy(loud, kindOf)) say(`${who}: ${all.length} x ${kind}`);
  const odd = loud.filter((line) => !expected.some((one) => one.test(line)));
  return [...Map.groupBy(odd, kindOf)].map(([, all]) => `${who}: ${all.length} x ${all[0]}`);
}
