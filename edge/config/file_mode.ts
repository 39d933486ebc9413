/** A file's permissions. @module */

/** Permissions in the low bits; undefined where they cannot be had. */
export function modeOf(path: string): number | undefined {
  try {
    return Deno.statSync(path).mode ?? undefined;
  } catch {
    return undefined;
  }
}
