/** Domain names as DNS writes them (RFC 1035 §3.1), without compression. @module */

/** Names, one after the other; those with labels that DNS does not allow are left out. */
export function emitNames(names: readonly string[]): Uint8Array {
  const octets: number[] = [];
  for (const name of names) {
    const labels = name.replace(/\.$/, "").split(".").map((label) =>
      new TextEncoder().encode(label)
    );
    const length = labels.reduce((sum, label) => sum + 1 + label.length, 1);
    if (length > 255 || labels.some((label) => label.length === 0 || label.length > 63)) continue;
    for (const label of labels) octets.push(label.length, ...label);
    octets.push(0);
  }
  return Uint8Array.from(octets);
}

/** Reads names; zeros behind them are padding. Undefined where one of them does not end. */
export function parseNames(octets: Uint8Array): string[] | undefined {
  const names: string[] = [];
  let labels: string[] = [];
  for (let at = 0; at < octets.length;) {
    const length = octets[at]!;
    if (length > 63 || at + 1 + length > octets.length) return undefined;
    if (length === 0) {
      if (labels.length > 0) names.push(labels.join("."));
      labels = [];
    } else labels.push(new TextDecoder().decode(octets.subarray(at + 1, at + 1 + length)));
    at += 1 + length;
  }
  return labels.length > 0 ? undefined : names;
}
