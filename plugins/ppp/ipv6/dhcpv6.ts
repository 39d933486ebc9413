/**
 * DHCPv6 messages as octets (RFC 8415 §8, §21; RFC 3646).
 *
 * ```
 * message: type 1 | transaction id 3 | options
 * option:  code 2 | length 2 | value
 * IA_NA:   IAID 4 | T1 4 | T2 4 | options        (IA_PD the same)
 * IAADDR:  address 16 | preferred 4 | valid 4 | options
 * IAPREFIX: preferred 4 | valid 4 | length 1 | prefix 16 | options
 * ```
 *
 * @module
 */

import { concat } from "../../../core/wire/bytes.ts";
import { formatIp } from "../../../core/endpoint.ts";
import { octetsOfAddress, parseNetwork } from "../addresses.ts";
import { numberOf, u16, u32 } from "../link/wire.ts";

/** Message types (§7.3). */
export const MessageType = {
  Solicit: 1,
  Advertise: 2,
  Request: 3,
  Confirm: 4,
  Renew: 5,
  Rebind: 6,
  Reply: 7,
  Release: 8,
  Decline: 9,
  InformationRequest: 11,
} as const;

/** Option codes (§21). */
export const OptionCode = {
  ClientId: 1,
  ServerId: 2,
  IaNa: 3,
  IaAddress: 5,
  Requested: 6,
  Elapsed: 8,
  Status: 13,
  RapidCommit: 14,
  Dns: 23,
  Search: 24,
  IaPd: 25,
  IaPrefix: 26,
} as const;

/** Status codes (§21.13). */
export const Status = {
  Success: 0,
  Unspecified: 1,
  NoAddress: 2,
  NoBinding: 3,
  NotOnLink: 4,
  NoPrefix: 6,
} as const;

/** Ports of clients, and of servers and relays (§7.2). */
export const Port = { Client: 546, Server: 547 } as const;

/** An option. */
export interface DhcpOption {
  readonly code: number;
  readonly value: Uint8Array;
}

/** A message of client or server. Values are views of what was read. */
export interface DhcpMessage {
  readonly type: number;
  /** 24 bits. */
  readonly transaction: number;
  readonly options: readonly DhcpOption[];
}

/** An address or prefix in an IA. */
export interface IaItem {
  /** `2001:db8::7`, `2001:db8:100::/56`. */
  readonly text: string;
  /** Seconds; 0xffffffff: for ever. */
  readonly preferred: number;
  readonly valid: number;
}

/** An identity association (§12). */
export interface Ia {
  readonly kind: "na" | "pd";
  readonly iaid: number;
  /** Seconds. */
  readonly t1: number;
  readonly t2: number;
  readonly items: readonly IaItem[];
  readonly status?: number;
}

/** Reads a message; undefined where it is none. */
export function parseMessage(data: Uint8Array): DhcpMessage | undefined {
  if (data.length < 4) return undefined;
  const options = parseDhcpOptions(data.subarray(4));
  return options && { type: data[0]!, transaction: numberOf(data.subarray(1, 4)), options };
}

/** A message. */
export function emitMessage({ options, transaction, type }: DhcpMessage): Uint8Array {
  const head = Uint8Array.of(type, transaction >> 16, transaction >> 8, transaction);
  return concat([head, emitDhcpOptions(options)]);
}

/** Reads options; undefined where the last of them does not end where the data does. */
export function parseDhcpOptions(data: Uint8Array): DhcpOption[] | undefined {
  const options: DhcpOption[] = [];
  for (let at = 0; at < data.length;) {
    if (at + 4 > data.length) return undefined;
    const length = numberOf(data.subarray(at + 2, at + 4));
    if (at + 4 + length > data.length) return undefined;
    options.push({
      code: numberOf(data.subarray(at, at + 2)),
      value: data.subarray(at + 4, at + 4 + length),
    });
    at += 4 + length;
  }
  return options;
}

/** Options, one after the other. */
export function emitDhcpOptions(options: readonly DhcpOption[]): Uint8Array {
  return concat(options.flatMap(({ code, value }) => [u16(code), u16(value.length), value]));
}

/** The value of the first option with this code. */
export function optionOf(
  { options }: Pick<DhcpMessage, "options">,
  code: number,
): Uint8Array | undefined {
  return options.find((option) => option.code === code)?.value;
}

/** Reads all IAs of a message that are whole. */
export function iasOf({ options }: Pick<DhcpMessage, "options">): Ia[] {
  return options.flatMap(({ code, value }) => {
    if (code !== OptionCode.IaNa && code !== OptionCode.IaPd) return [];
    const inner = value.length < 12 ? undefined : parseDhcpOptions(value.subarray(12));
    if (!inner) return [];
    const kind = code === OptionCode.IaNa ? "na" : "pd";
    const status = optionOf({ options: inner }, OptionCode.Status);
    return [{
      kind,
      iaid: numberOf(value.subarray(0, 4)),
      t1: numberOf(value.subarray(4, 8)),
      t2: numberOf(value.subarray(8, 12)),
      items: inner.flatMap((option) => itemOf(kind, option) ?? []),
      ...(status && status.length >= 2 && { status: numberOf(status.subarray(0, 2)) }),
    }] satisfies Ia[];
  });
}

/** An IA as an option. */
export function emitIa({ iaid, items, kind, status, t1, t2 }: Ia): DhcpOption {
  const inner = items.map((item): DhcpOption =>
    kind === "na"
      ? {
        code: OptionCode.IaAddress,
        value: concat([octetsOfAddress(item.text), u32(item.preferred), u32(item.valid)]),
      }
      : {
        code: OptionCode.IaPrefix,
        value: concat([
          u32(item.preferred),
          u32(item.valid),
          Uint8Array.of(Number(item.text.split("/")[1])),
          octetsOfAddress(item.text.split("/")[0]!),
        ]),
      }
  );
  if (status !== undefined) inner.push(statusOption(status, ""));
  return {
    code: kind === "na" ? OptionCode.IaNa : OptionCode.IaPd,
    value: concat([u32(iaid), u32(t1), u32(t2), emitDhcpOptions(inner)]),
  };
}

/** A Status Code option. */
export function statusOption(status: number, message: string): DhcpOption {
  return {
    code: OptionCode.Status,
    value: concat([u16(status), new TextEncoder().encode(message)]),
  };
}

/** Addresses as one value (DNS servers). */
export function emitAddresses(addresses: readonly string[]): Uint8Array {
  return concat(addresses.map(octetsOfAddress));
}

/** Reads such a value; what is not whole is left out. */
export function parseAddresses(value: Uint8Array): string[] {
  return Array.from(
    { length: Math.floor(value.length / 16) },
    (_, i) => formatIp(value.subarray(16 * i, 16 * i + 16)),
  );
}

function itemOf(kind: "na" | "pd", { code, value }: DhcpOption): IaItem | undefined {
  if (kind === "na") {
    if (code !== OptionCode.IaAddress || value.length < 24) return undefined;
    return {
      text: formatIp(value.subarray(0, 16)),
      preferred: numberOf(value.subarray(16, 20)),
      valid: numberOf(value.subarray(20, 24)),
    };
  }
  if (code !== OptionCode.IaPrefix || value.length < 25) return undefined;
  const text = `${formatIp(value.subarray(9, 25))}/${value[8]}`;
  if (!parseNetwork(text)) return undefined;
  return { text, preferred: numberOf(value.subarray(0, 4)), valid: numberOf(value.subarray(4, 8)) };
}
