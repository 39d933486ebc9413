/** The PPP termination as plugins have it. @module */

import type { Member, PppForwarder, PppOptions, PppPortOptions } from "../ports.ts";
import { type OpenForwarder, openForwarder } from "./forwarders.ts";
import type { DatapathLeaf, ForwarderNews } from "./leaves.ts";
import type { Life } from "./life.ts";
import type { Ports } from "./ports.ts";

/** Opens one in a life. @throws {Failure} */
export async function openPpp(
  life: Life,
  datapath: DatapathLeaf,
  ports: Ports,
  { tun, ...options }: PppOptions,
): Promise<[PppForwarder, OpenForwarder]> {
  const spec = {
    kind: "ppp",
    name: "the PPP termination",
    frames: "ppp",
    ports: [tun],
    options,
  } as const;
  const open = await openForwarder(life, datapath, ports, spec);
  return [{ kind: "ppp", change: ({ tun: _, ...options }) => open.change(options) }, open];
}

/** Joins a port to one. @throws {Failure} */
export async function joinPpp(
  life: Life,
  open: OpenForwarder,
  port: Parameters<OpenForwarder["join"]>[1],
  first: PppPortOptions,
): Promise<Member<PppPortOptions>> {
  const { expired, ...plain } = first;
  const own = new PppMember(expired);
  own.member = await open.join(life, port, plain, (news) => own.happened(news));
  return own;
}

/** A member of a termination. */
class PppMember implements Member<PppPortOptions> {
  member!: Member<object>;
  #expired: PppPortOptions["expired"];

  constructor(expired: PppPortOptions["expired"]) {
    this.#expired = expired;
  }

  async change({ expired, ...options }: PppPortOptions): Promise<void> {
    await this.member.change(options);
    this.#expired = expired;
  }

  happened({ detail, what }: ForwarderNews): void {
    if (what !== "expired") return;
    this.#expired?.((detail as { what: "idle" | "session" | "quota" }).what);
  }
}
