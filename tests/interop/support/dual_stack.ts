/** The LNS of tests with both families. @module */

/** The sections of an LNS for the users of a file, whose subscribers of the circuit `lns` get addresses and prefixes. */
export function dualStack(
  users: string,
  { more = "", section = "" }: {
    /** Of the circuit. */
    readonly more?: string;
    /** Of `ppp:`. */
    readonly section?: string;
  } = {},
): string {
  return `
ppp:
  aaa: { users: "${users}" }
  pools:
    main: { ranges: [10.64.0.0/24] }
    six: { ranges: ["2001:db8:1000::/40"], length: 64 }
    delegated: { ranges: ["2001:db8:8000::/40"], length: 56 }
${section}
circuits:
  lns:
    ppp:
      terminate:
        tun: { name: subs0 }
        address: 10.64.0.1
        pools: [main]
        ipv6-pool: six
        delegated-pool: delegated
${more}
`;
}
