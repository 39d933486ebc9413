/** Nobody is asked, or told: `none`. @module */

import type { Account, Authenticator } from "./authenticator.ts";

/** Lets everybody in: `none`. */
export const nobodyAsked: Authenticator = {
  check({ name, kind }) {
    const user = new TextDecoder().decode(name);
    // Nobody knows the password that MS-CHAPv2 has to prove to the client.
    if (kind === "mschapv2") {
      const reason = "MS-CHAPv2 proves a password to the client, and none is known";
      return Promise.resolve({ kind: "reject", reason });
    }
    return Promise.resolve({ kind: "accept", grant: { user } });
  },
  account: () => NO_ACCOUNT,
};

/** An account that nobody is told of. */
export const NO_ACCOUNT: Account = { changed() {}, stop: () => Promise.resolve() };
