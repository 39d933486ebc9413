/**
 * What attributes are called, and what their values are: dictionaries in FreeRADIUS's format. Sans-I/O: who reads files is
 * handed in.
 *
 * @module
 */

import type { VendorFormat, VendorFormats } from "./packet.ts";

/** What an attribute's value is, by the dictionaries' words. */
export type Kind = typeof KINDS[number];

const KINDS = [
  "octets",
  "string",
  "integer",
  "signed",
  "integer64",
  "short",
  "byte",
  "date",
  "ipaddr",
  "ipv6addr",
  "ipv4prefix",
  "ipv6prefix",
  "ifid",
  "ether",
] as const;

/** Newer words for the same. */
const ALIASES: Readonly<Record<string, Kind>> = {
  uint32: "integer",
  int32: "signed",
  uint64: "integer64",
  uint16: "short",
  uint8: "byte",
  text: "string",
  time: "date",
  "combo-ip": "octets",
  abinary: "octets",
};

/** One attribute. */
export interface Definition {
  readonly name: string;
  /** 0: the IETF's. */
  readonly vendor: number;
  readonly type: number;
  readonly kind: Kind;
  /** It begins with a tag (RFC 2868). */
  readonly tagged: boolean;
  /** How it is hidden: 1 as User-Password, 2 with a salt, 3 as Ascend does; 0: it is not. */
  readonly hidden: number;
  /** Values by their names; filled while a dictionary is read. */
  readonly values: Map<string, number>;
}

/** What is wrong with a dictionary: where, and what would be right. */
export class DictionaryError extends Error {
  /** Tells it from other errors. */
  override readonly name = "DictionaryError";
}

/** The most files that one dictionary may include, and the deepest. */
const MOST_FILES = 512;
const DEEPEST = 8;

/** Attributes by name and number. */
export class Dictionary {
  readonly #byName = new Map<string, Definition>();
  readonly #byNumber = new Map<string, Definition>();
  readonly #vendors = new Map<string, number>();
  readonly #formats = new Map<number, VendorFormat>();

  /** How vendors' attributes are framed. */
  get formats(): VendorFormats {
    return this.#formats;
  }

  /** An attribute by its name (in any case), or as `26:vendor:type`, `vendor:type` or `type`. */
  named(name: string): Definition | undefined {
    const known = this.#byName.get(name.toLowerCase());
    if (known) return known;
    const numbers = /^(?:26:)?(?:(\d+):)?(\d+)$/.exec(name);
    if (!numbers) return undefined;
    const [vendor, type] = [Number(numbers[1] ?? 0), Number(numbers[2])];
    return this.numbered(vendor, type) ??
      { name, vendor, type, kind: "octets", tagged: false, hidden: 0, values: new Map() };
  }

  /** An attribute by its numbers. */
  numbered(vendor: number, type: number): Definition | undefined {
    return this.#byNumber.get(`${vendor}:${type}`);
  }

  /**
   * Reads a dictionary, adding to what is there; a later definition of a name or number wins.
   *
   * @param read gives the text of a file that is included, by its name as written there and the file that names it
   * @throws {DictionaryError}
   */
  load(
    text: string,
    file: string,
    read: (name: string, from: string) => { file: string; text: string },
  ): void {
    new Reader(this, read).run(text, file, 0);
  }

  /** Adds a vendor. */
  addVendor(name: string, vendor: number, format?: VendorFormat): void {
    this.#vendors.set(name.toLowerCase(), vendor);
    if (format) this.#formats.set(vendor, format);
  }

  /** A vendor's number by its name. */
  vendor(name: string): number | undefined {
    return this.#vendors.get(name.toLowerCase());
  }

  /** Adds an attribute. */
  add(definition: Definition): void {
    this.#byName.set(definition.name.toLowerCase(), definition);
    this.#byNumber.set(`${definition.vendor}:${definition.type}`, definition);
  }
}

class Reader {
  #files = 0;
  #vendor = 0;
  /** How many blocks are open whose inside is skipped: TLVs and formats that no packet of ours has. */
  #skipped = 0;

  constructor(
    readonly dictionary: Dictionary,
    readonly read: (name: string, from: string) => { file: string; text: string },
  ) {}

  run(text: string, file: string, depth: number): void {
    if (depth > DEEPEST || ++this.#files > MOST_FILES) {
      throw new DictionaryError(`${file}: includes too many files, or itself`);
    }
    for (const [i, line] of text.split("\n").entries()) {
      const words = line.replace(/#.*/, "").trim().split(/\s+/);
      const wrong = words[0] === "" ? undefined : this.#line(words, file, depth);
      if (wrong !== undefined) throw new DictionaryError(`${file}:${i + 1}: ${wrong}`);
    }
  }

  /** Does as a line says; a text says what is wrong with it. Words that are not known are of others' dictionaries. */
  #line(words: readonly string[], file: string, depth: number): string | undefined {
    const [word, name = "", third = "", fourth = "", flags = ""] = words;
    switch (word) {
      case "$INCLUDE":
      case "$INCLUDE-": {
        const found = this.read(name, file);
        return void this.run(found.text, found.file, depth + 1);
      }
      case "VENDOR":
        return this.#addVendor(name, third, fourth);
      case "BEGIN-VENDOR":
        return this.#beginVendor(name, third);
      case "END-VENDOR":
        if (this.#skipped > 0) this.#skipped--;
        this.#vendor = 0;
        return undefined;
      case "BEGIN-TLV":
        return void this.#skipped++;
      case "END-TLV":
        return void (this.#skipped > 0 && this.#skipped--);
      case "ATTRIBUTE":
        return this.#skipped > 0 ? undefined : this.#addAttribute(name, third, fourth, flags);
      case "VALUE":
        return this.#addValue(name, third, fourth);
    }
  }

  #addVendor(name: string, number: string, format: string): string | undefined {
    const vendor = parseNumber(number);
    if (vendor === undefined) return `vendor ${name} needs a number`;
    if (format === "") return void this.dictionary.addVendor(name, vendor);
    const match = /^format=([124]),([012])(,c)?$/.exec(format);
    if (!match) return `${format}: a format is format=1,1 or the like`;
    const [type, length] = [Number(match[1]) as 1 | 2 | 4, Number(match[2]) as 0 | 1 | 2];
    this.dictionary.addVendor(name, vendor, { type, length, ...(match[3] && { more: 1 }) });
  }

  #beginVendor(name: string, format: string): string | undefined {
    const vendor = this.dictionary.vendor(name);
    if (vendor === undefined) return `vendor ${name} was not defined before`;
    // Extended attributes (RFC 6929) carry theirs within 241 to 246, which are octets here.
    if (format !== "") this.#skipped++;
    this.#vendor = vendor;
  }

  #addAttribute(name: string, number: string, kind: string, flags: string): string | undefined {
    if (number.includes(".")) return undefined;
    const type = parseNumber(number);
    if (type === undefined) return `attribute ${name} needs a number`;
    const all = flags.split(",");
    // Old dictionaries name the vendor behind the kind.
    const vendor = all.map((flag) => this.dictionary.vendor(flag)).find((one) => one !== undefined);
    const hidden = /(?:^|,)encrypt=(\w+)/.exec(flags)?.[1];
    const plain = kind.replace(/\[\d+\]$/, "");
    this.dictionary.add({
      name,
      vendor: vendor ?? this.#vendor,
      type,
      kind: KINDS.find((one) => one === plain) ?? ALIASES[plain] ?? "octets",
      tagged: all.includes("has_tag"),
      hidden: hidden === undefined ? 0 : HIDINGS[hidden] ?? Number(hidden),
      values: new Map(),
    });
  }

  #addValue(attribute: string, name: string, number: string): string | undefined {
    const value = parseNumber(number);
    // Values of attributes that nobody defined, and names for other than numbers, are of no use here.
    if (value !== undefined) this.dictionary.named(attribute)?.values.set(name, value);
    return undefined;
  }
}

const HIDINGS: Readonly<Record<string, number>> = {
  "User-Password": 1,
  "Tunnel-Password": 2,
  "Ascend-Secret": 3,
};

function parseNumber(text: string): number | undefined {
  return /^(?:\d+|0x[\da-f]+)$/i.test(text) ? Number(text) : undefined;
}
