/** Which values are secrets, and what is shown in their place. Pure. @module */

import type { Json } from "../../plugins/plugin.ts";

/** What stands where a secret was. */
export const hidden = "<hidden>";

/** Whether the value under `key` is a secret that is never shown: `token`, `chap-secret`, `password` and the like. */
export function isSecretKey(key: string): boolean {
  return /(?:^|-)(?:token|secret|password|passphrase|key)$/.test(key);
}

/** `value` with every secret in it replaced. */
export function maskSecrets(value: Json): Json {
  if (isList(value)) return value.map(maskSecrets);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map((
      [key, inner],
    ) => [key, isSecretKey(key) ? hidden : maskSecrets(inner)]),
  );
}

/** A value for an error message, short and on one line; of secrets and cookies only the type. */
export function showValue(value: unknown, path: readonly (string | number)[]): string {
  const secret = path.some((part) =>
    typeof part === "string" && (isSecretKey(part) || /(?:^|-)cookie$/.test(part))
  );
  if (value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a map";
  if (secret) return typeof value === "string" ? hidden : `${hidden}, a ${typeof value}`;
  if (typeof value === "string") {
    return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  }
  return String(value);
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
