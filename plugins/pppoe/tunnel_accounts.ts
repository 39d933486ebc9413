/** Accounts of tunnels to LNSes and of the links in them, beside those of their subscribers (RFC 2867). @module */

import { CdnResult } from "../../core/errors.ts";
import type { PlacedCall, Refusal, Scope, SessionTunnel } from "../plugin.ts";
import type {
  Authenticator,
  CallFacts,
  Grant,
  TerminateCause,
  TunnelAccount,
  Usage,
} from "../ppp/aaa/authenticator.ts";

/** A subscriber's call, as accounts tell it. */
export interface LinkFacts {
  readonly call: CallFacts;
  readonly grant: Grant;
}

/** A link that is accounted for. */
export interface LinkAccount {
  /** It ended. `usage` is what it carried, `dropped` how many packets of it were lost. */
  stop(cause: TerminateCause, usage: Usage, dropped: number): void;
}

interface Tunnel {
  readonly id: string;
  readonly account: TunnelAccount | undefined;
  links: number;
  usage: Usage;
  cause: TerminateCause;
  gone: boolean;
}

const NOTHING: Usage = { upOctets: 0, downOctets: 0, upPackets: 0, downPackets: 0 };

/** See the module. */
export class TunnelAccounts {
  readonly #authenticator: Authenticator;
  readonly #scope: Pick<Scope, "random">;
  /** Each by what says that it is gone: a tunnel that is dialed again is another one. */
  readonly #tunnels = new Map<object, Tunnel>();

  constructor(authenticator: Authenticator, scope: Pick<Scope, "random">) {
    this.#authenticator = authenticator;
    this.#scope = scope;
  }

  /** A call did not come up: there was no tunnel for it, or its LNS refused it there. */
  rejected({ call, grant }: LinkFacts, { noTunnel, refuse: { result } }: Refusal): void {
    const kind = noTunnel ? "tunnel-reject" : "link-reject";
    const silent = noTunnel || result === CdnResult.TimedOut || result === CdnResult.LossOfCarrier;
    this.#authenticator.tunnel?.({ kind, call: { ...call, id: this.#id() }, grant })
      ?.stop(silent ? "lost-service" : "service-unavailable", NOTHING, 0);
  }

  /** A call is up in a tunnel; where it is the first one, so is the tunnel. */
  begun(facts: LinkFacts, { tunnel }: Pick<PlacedCall, "tunnel">): LinkAccount {
    const around = tunnel?.gone && this.#around(facts, tunnel.gone);
    const account = this.#authenticator.tunnel?.({
      kind: "link",
      ...facts,
      ...(around && { of: around.id }),
    });
    let stopped = false;
    return {
      stop: (cause, usage, dropped) => {
        if (stopped) return;
        stopped = true;
        account?.stop(cause, usage, dropped);
        if (!around) return;
        around.usage = sum(around.usage, usage);
        if (cause === "lost-carrier") around.cause = cause;
        around.links--;
        this.#settle(around);
      },
    };
  }

  #around({ call, grant }: LinkFacts, gone: NonNullable<SessionTunnel["gone"]>): Tunnel {
    let tunnel = this.#tunnels.get(gone);
    if (!tunnel) {
      const id = this.#id();
      const account = this.#authenticator.tunnel?.({
        kind: "tunnel",
        call: { ...call, id },
        grant,
        of: id,
      });
      const made: Tunnel = {
        id,
        account,
        links: 0,
        usage: NOTHING,
        cause: "port-unneeded",
        gone: false,
      };
      tunnel = made;
      this.#tunnels.set(gone, made);
      void gone.then(() => {
        this.#tunnels.delete(gone);
        made.gone = true;
        this.#settle(made);
      });
    }
    tunnel.links++;
    return tunnel;
  }

  /** The last link of a tunnel that is gone may be read after that. */
  #settle({ account, cause, gone, links, usage }: Tunnel): void {
    if (gone && links === 0) account?.stop(cause, usage, 0);
  }

  #id(): string {
    return this.#scope.random(8).toHex();
  }
}

function sum(a: Usage, b: Usage): Usage {
  return {
    upOctets: a.upOctets + b.upOctets,
    downOctets: a.downOctets + b.downOctets,
    upPackets: a.upPackets + b.upPackets,
    downPackets: a.downPackets + b.downPackets,
  };
}
