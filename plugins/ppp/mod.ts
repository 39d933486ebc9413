/**
 * PPP (RFC 1661) in pseudowires of type 7: its termination, which makes an LNS, and its client. The plugin `ppp`.
 *
 * @module
 */

import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { PseudowireType } from "../../core/pseudowire.ts";
import type { Json, Plugin, Row, Scope, Service } from "../plugin.ts";
import { type Aaa, checkAaa, openAaa } from "./aaa/mod.ts";
import { aaaOptions, radiusOptions } from "./aaa/options.ts";
import { isSet } from "./address_lists.ts";
import {
  type PppOptions,
  pppOptions,
  type PppSection,
  type Profile,
  sectionShape,
} from "./options.ts";
import { Subscribers } from "./service.ts";

const section = z.strictObject({
  ...sectionShape,
  aaa: aaaOptions.default(aaaOptions.parse({}))
    .describe("Who is asked whether a subscriber may come in, and who is told of it"),
  radius: radiusOptions.exactOptional().describe("RADIUS servers, and what is said to them"),
});
/** The section `ppp:`. */
export type PppPluginSection = z.infer<typeof section>;

const noWords = z.strictObject({});

/** The plugin. */
export const ppp: Plugin<PppOptions, PppPluginSection> = {
  name: "ppp",
  summary: "PPP: subscribers' links on one TUN (LNS), or a link of our own (client)",
  pseudowireTypes: [PseudowireType.Ppp],
  options: pppOptions,
  section: { key: "ppp", schema: section },
  columns: [
    { name: "user", help: "who authenticated" },
    { name: "address", help: "the subscriber's IPv4 address" },
    { name: "ipv6-prefix", help: "the prefix that is announced to it" },
    { name: "delegated-prefix", help: "the prefix that DHCPv6 delegated" },
    { name: "rate-up", help: "bits a second from the subscriber" },
    { name: "rate-down", help: "bits a second to the subscriber" },
    { name: "stage", help: "how far the link is" },
  ],
  views: [
    {
      name: "pool",
      help: "pools of addresses and prefixes",
      columns: [
        { name: "name", help: "as the file has it" },
        { name: "size", help: "how many there are" },
        { name: "used", help: "how many are somebody's" },
      ],
    },
    {
      name: "subscriber",
      help: "who is logged in",
      columns: [
        { name: "user", help: "who authenticated" },
        { name: "session", help: "tunnel and session" },
        { name: "address", help: "the IPv4 address" },
        { name: "seconds", help: "how long it is up" },
        { name: "up-octets", help: "octets of packets from it" },
        { name: "down-octets", help: "octets of packets to it" },
      ],
    },
    {
      name: "failed-login",
      help: "the last logins that failed",
      columns: [
        { name: "at", help: "when" },
        { name: "session", help: "tunnel and session" },
        { name: "user", help: "who it said to be" },
        { name: "stage", help: "how far it came" },
        { name: "reason", help: "why it failed" },
      ],
    },
    {
      name: "radius",
      help: "RADIUS servers, by what they are asked for",
      columns: [
        { name: "server", help: "as the file calls it" },
        { name: "purpose", help: "authentication or accounting" },
        { name: "address", help: "where it is asked" },
        { name: "state", help: "alive or dead" },
        { name: "in-flight", help: "requests that wait for an answer" },
        { name: "requests", help: "requests, each counted once" },
        { name: "retransmissions", help: "requests that were sent again" },
        { name: "timeouts", help: "requests that were never answered" },
        { name: "rejected-answers", help: "answers that could not be believed" },
        { name: "rtt-ms", help: "milliseconds to the last answer" },
      ],
    },
  ],
  words: [
    {
      word: "disconnect",
      help: "ends all sessions of a user",
      given: z.strictObject({ user: z.string().describe("whose sessions") }),
    },
    { word: "drain", help: "takes no new subscribers; those that are here stay", given: noWords },
    { word: "undrain", help: "takes new subscribers again", given: noWords },
  ],
  claims: ({ client, terminate }) => {
    const { name, netns } = (terminate ?? client)!.tun;
    return [`TUN ${name}${netns === undefined ? "" : `@${netns}`}`];
  },
  check: (section, circuits) => [
    ...checkSection(section),
    // A client asks nobody.
    ...(circuits.some(({ options }) => options.terminate) ? checkAaa(section) : []),
    ...circuits.flatMap(({ name, options: { terminate } }) =>
      terminate ? checkTermination(terminate, section).map((what) => `${name}: ${what}`) : []
    ),
  ],
  start,
};

/** Where there is nobody to ask, nobody comes in. */
const nobody: Aaa = {
  check: () =>
    Promise.resolve({ kind: "unreachable", reason: "the section aaa names nobody to ask" }),
  account: () => ({ changed() {}, stop: () => Promise.resolve() }),
  rows: () => [],
  reconfigure: () => Promise.resolve(false),
};

async function start(
  scope: Scope,
  first: PppPluginSection,
): Promise<Service<PppOptions, PppPluginSection>> {
  let now = first;
  const authenticator = checkAaa(first).length === 0 ? await openAaa(scope, first) : nobody;
  const subscribers = new Subscribers(scope, first);
  return {
    // What a circuit is made of is loaded with the first one: most appliances have none, and start sooner.
    async provision(life, options) {
      if (options.terminate) {
        const { terminate } = await import("./terminate.ts");
        return terminate(life, options.terminate, subscribers, authenticator);
      }
      const { client } = await import("./client.ts");
      return client(life, options.client!, subscribers.counters);
    },
    shared: authenticator,
    async reconfigure(next) {
      const aaa = ({ aaa, radius }: PppPluginSection) => ({ aaa, radius });
      if (!isDeepStrictEqual(aaa(now), aaa(next)) && !await authenticator.reconfigure(next)) {
        return false;
      }
      subscribers.configure(next);
      now = next;
      return true;
    },
    async *show(view): AsyncIterable<Row> {
      if (view === "radius") yield* authenticator.rows();
      if (view === "pool") {
        for (const figures of subscribers.pools.figures()) {
          yield { ...figures };
        }
      }
      if (view === "failed-login") {
        for (const { at, ...failure } of subscribers.failures) {
          yield { at: new Date(at).toISOString(), ...failure };
        }
      }
      if (view === "subscriber") {
        for (const one of subscribers.present.values()) {
          const { downOctets, upOctets } = await one.read();
          yield {
            user: one.user,
            session: one.session.name,
            address: one.address ?? null,
            seconds: one.seconds,
            "up-octets": upOctets,
            "down-octets": downOctets,
          };
        }
      }
    },
    run: (word, given) => run(subscribers, word, given),
  };
}

function run(subscribers: Subscribers, word: string, given: object): Json {
  if (word !== "disconnect") {
    subscribers.draining = word === "drain";
    return { draining: subscribers.draining, sessions: subscribers.present.size };
  }
  const { user } = given as { user: string };
  const all = subscribers.of(user);
  for (const one of all) {
    one.end({ result: 3, message: "disconnected by the operator" }, "admin-reset");
  }
  return { disconnected: all.map(({ session }) => session.name) };
}

/** What a profile or a pool names that is not there. */
/** Lists that are neither the section's nor sets themselves. */
function missingLists(profile: Profile, lists: PppSection["address-lists"]): string[] {
  return (profile["address-lists"] ?? []).filter((name) => !(name in lists) && !isSet(name));
}

function checkSection({ "address-lists": lists, pools, profiles }: PppSection): string[] {
  const chained = Object.entries(pools).flatMap(([name, { then }]) =>
    then === undefined || then in pools ? [] : [`pool ${name}: no pool ${then}`]
  );
  const named = Object.entries(profiles).flatMap(([name, profile]) => [
    ...missingPools(profile, pools).map((pool) => `profile ${name}: no pool ${pool}`),
    ...missingLists(profile, lists).map((list) => `profile ${name}: no address list ${list}`),
  ]);
  return [...chained, ...named];
}

function checkTermination(
  options: NonNullable<PppOptions["terminate"]>,
  section: PppSection,
): string[] {
  const profiles = [
    options.profile,
    ...Object.values(options["peer-profiles"]),
    ...Object.values(options["realm-profiles"]),
  ].filter((name) => name !== undefined);
  return [
    ...missingPools(options, section.pools).map((pool) => `no pool ${pool}`),
    ...missingLists(options, section["address-lists"]).map((list) => `no address list ${list}`),
    ...profiles.filter((name) => !(name in section.profiles)).map((name) => `no profile ${name}`),
  ];
}

function missingPools(profile: Profile, pools: PppSection["pools"]): string[] {
  const named = [
    ...profile.pools ?? [],
    profile["ipv6-pool"],
    profile["ipv6-address-pool"],
    profile["delegated-pool"],
  ];
  return named.filter((name): name is string => name !== undefined && !(name in pools));
}
