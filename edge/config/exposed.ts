/** Secrets that every user of the machine can read: what `check` and a start warn of. Pure. @module */

import { isSecretKey } from "./secrets.ts";

/** Read permission for those who are neither the owner nor of the group. */
const OTHERS_READ = 0o004;

/** A key with a value on its line, comments aside; the value may be in braces with others. */
const keys = /(?:^|[\s{,])["']?([\w-]+)["']?:[ \t]+[^\s#]/g;

/** Whether a configuration's text holds a secret itself. */
export function holdsSecret(text: string): boolean {
  return text.split("\n").some((line) =>
    [...line.replace(/(?:^|\s)#.*/, "").matchAll(keys)].some(([, key]) => isSecretKey(key!))
  );
}

/**
 * What to warn of.
 * @param modeOf a file's permissions; undefined where they cannot be had
 */
export function exposedSecrets(
  file: string,
  text: string,
  secretFiles: Iterable<string>,
  modeOf: (path: string) => number | undefined,
): readonly string[] {
  const open = (path: string) => ((modeOf(path) ?? 0) & OTHERS_READ) !== 0;
  return [
    ...(open(file) && holdsSecret(text)
      ? [
        `${file}: holds a secret and every user can read it; expected chmod o-r, or secrets in files of their own`,
      ]
      : []),
    ...[...new Set(secretFiles)].filter(open)
      .map((path) => `${path}: holds a secret and every user can read it; expected chmod o-r`),
  ];
}
