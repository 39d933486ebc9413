/** IP addresses and endpoints: text to bytes and back. Pure. @module */

/** An IP address in canonical text (`10.0.0.1`, `fd77::1`, `fe80::1%eth0`) and a UDP port; port 0 with protocol 115. */
export interface Endpoint {
  /** Canonical text, with a zone where it is scoped. */
  readonly address: string;
  /** The UDP port; 0 with protocol 115. */
  readonly port: number;
}

/** 4 or 6, by the text's shape. */
export function ipVersion(address: string): 4 | 6 {
  return address.includes(":") ? 6 : 4;
}

/**
 * The bytes of an address in network order, 4 or 16; undefined where the text is no address.
 * A zone (`%eth0`) is allowed after IPv6 and is not part of the bytes.
 */
export function parseIp(text: string): Uint8Array<ArrayBuffer> | undefined {
  const zone = text.indexOf("%");
  if (zone < 0) return text.includes(":") ? parseIp6(text) : parseIp4(text);
  return zone < text.length - 1 && text.includes(":") ? parseIp6(text.slice(0, zone)) : undefined;
}

/** The zone of a scoped address (`eth0` of `fe80::1%eth0`), or undefined. */
export function zoneOf(address: string): string | undefined {
  const zone = address.indexOf("%");
  return zone < 0 ? undefined : address.slice(zone + 1);
}

/** Whether 4 or 16 bytes are a link-local IPv6 address (`fe80::/10`, RFC 4291 §2.5.6). */
export function isLinkLocal(address: Uint8Array): boolean {
  return address.length === 16 && address[0] === 0xfe && (address[1]! & 0xc0) === 0x80;
}

/** Canonical text (RFC 5952 for IPv6) of 4 or 16 bytes. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, i) => bytes[2 * i]! << 8 | bytes[2 * i + 1]!);
  const run = longestZeroRun(groups);
  const hex = (part: number[]) => part.map((group) => group.toString(16)).join(":");
  if (run.length < 2) return hex(groups);
  return `${hex(groups.slice(0, run.start))}::${hex(groups.slice(run.start + run.length))}`;
}

/** The same address in canonical text, its zone kept; undefined where the text is no address. */
export function canonicalIp(text: string): string | undefined {
  const bytes = parseIp(text);
  const zone = zoneOf(text);
  return bytes && formatIp(bytes) + (zone === undefined ? "" : `%${zone}`);
}

/** Whether an address is the wildcard (`0.0.0.0`, `::`). */
export function isWildcard(address: string): boolean {
  return parseIp(address)?.every((byte) => byte === 0) ?? false;
}

/** Whether an address is loopback (127.0.0.0/8, ::1). */
export function isLoopback(address: string): boolean {
  const bytes = parseIp(address);
  if (!bytes) return false;
  return bytes.length === 4 ? bytes[0] === 127 : formatIp(bytes) === "::1";
}

/** `10.0.0.1:1701` or `[fd77::1]:1701`; without a port, `defaultPort`. Undefined where the text is neither. */
export function parseEndpoint(text: string, defaultPort: number): Endpoint | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  const address = canonicalIp(match ? match[1] ?? match[2]! : text);
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  if (address === undefined || port > 0xffff) return undefined;
  if (match && (match[1] !== undefined) !== address.includes(":")) return undefined;
  return { address, port };
}

/** The text that {@linkcode parseEndpoint} reads; port 0 is left out. */
export function formatEndpoint({ address, port }: Endpoint): string {
  const host = port !== 0 && address.includes(":") ? `[${address}]` : address;
  return port === 0 ? host : `${host}:${port}`;
}

const DOT = ".".charCodeAt(0);
const ZERO = "0".charCodeAt(0);

function parseIp4(text: string): Uint8Array<ArrayBuffer> | undefined {
  const bytes = new Uint8Array(4);
  let octet = 0, digits = 0, value = 0;
  // Character by character: it is asked for with every control message.
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : DOT;
    if (code === DOT) {
      if (digits === 0 || octet === 4) return undefined;
      bytes[octet++] = value;
      digits = value = 0;
      continue;
    }
    // No leading zeros: some read them as octal.
    if (code < ZERO || code > ZERO + 9 || (digits > 0 && value === 0)) return undefined;
    value = 10 * value + code - ZERO;
    digits++;
    if (value > 255) return undefined;
  }
  return octet === 4 ? bytes : undefined;
}

function parseIp6(text: string): Uint8Array<ArrayBuffer> | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map(parseGroups);
  if (!head || (halves.length === 2 && !tail)) return undefined;
  const gap = 16 - head.length - (tail?.length ?? 0);
  if (halves.length === 2 ? gap < 2 : gap !== 0) return undefined;
  const bytes = new Uint8Array(16);
  bytes.set(head);
  if (tail) bytes.set(tail, 16 - tail.length);
  return bytes;
}

/** The bytes of one side of `::`; a dotted quad may end it. */
function parseGroups(text: string): number[] | undefined {
  if (text === "") return [];
  const groups = text.split(":");
  const bytes: number[] = [];
  for (const [i, group] of groups.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(group)) {
      const value = parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
      continue;
    }
    const quad = i === groups.length - 1 ? parseIp4(group) : undefined;
    if (!quad) return undefined;
    bytes.push(...quad);
  }
  return bytes;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}
