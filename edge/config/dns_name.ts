/** DNS names in the place of addresses. Pure. @module */

import type { Endpoint } from "../../core/endpoint.ts";

/** Labels as hosts have them (RFC 1123 §2.1); the last is no number, for that would be an address that is wrong. */
const name =
  /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*(?!\d+$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** Whether the address of an endpoint is a DNS name, which is to be looked up. */
export function isName({ address }: Pick<Endpoint, "address">): boolean {
  return !address.includes(":") && name.test(address);
}

/** `lns.example.net` or `lns.example.net:1702`: the name in small letters, and the port where one is written. */
export function parseNamed(
  text: string,
): { readonly address: string; readonly port: number | undefined } | undefined {
  const match = /^([^:]+?)\.?(?::(\d{1,5}))?$/.exec(text.toLowerCase());
  if (!match || !name.test(match[1]!)) return undefined;
  const port = match[2] === undefined ? undefined : Number(match[2]);
  return port !== undefined && port > 0xffff ? undefined : { address: match[1]!, port };
}
