/** Users from a file: `local`. @module */

import type { Scope } from "../../scope.ts";
import type { Answer, Asked, Authenticator } from "./authenticator.ts";
import { NO_ACCOUNT } from "./none.ts";
import { checkSecret } from "./secrets.ts";
import { makeTurns } from "./turns.ts";
import { parseUsers, type User } from "./users.ts";

/** How often the file is looked at, at most, in milliseconds. */
const LOOK_MS = 1000;
/** Checks by scrypt at once, each of which takes a processor for some time, and how many may wait. */
const MOST_CHECKS = 2;
const MOST_WAITING = 1024;

/** Reads the file; a change of it counts from the next login on, a mistake in it leaves what was. @throws {Failure} */
export function openLocal(scope: Scope, path: string): Authenticator {
  const users = new UserFile(scope, path);
  const turns = makeTurns(MOST_CHECKS, MOST_WAITING);
  return {
    check: async (asked: Asked, _call, signal): Promise<Answer> => {
      const name = new TextDecoder().decode(asked.name);
      const user = users.get(name);
      if (!user) return { ...reject("no such user"), unknownUser: true };
      if (user.disabled) return reject("the user is disabled");
      const slow = user.secret.kind === "scrypt" && asked.kind === "pap";
      const check = () => checkSecret(user.secret, asked);
      const checked = slow ? await turns(check, signal) : await check();
      if (!checked) return { kind: "unreachable", reason: "too many passwords wait to be checked" };
      if (checked.kind === "wrong") return reject("wrong password");
      if (checked.kind === "unable") return reject(checked.reason);
      const { msChapSuccess } = checked;
      const grant = {
        ...user.grant,
        ...(msChapSuccess !== undefined && { msChapSuccess: `${msChapSuccess} M=Welcome` }),
      };
      return { kind: "accept", grant };
    },
    account: () => NO_ACCOUNT,
  };
}

function reject(reason: string) {
  return { kind: "reject", reason } as const;
}

class UserFile {
  readonly #scope: Scope;
  readonly #path: string;
  #text: string;
  #users: ReadonlyMap<string, User>;
  #looked: number;

  constructor(scope: Scope, path: string) {
    this.#scope = scope;
    this.#path = path;
    this.#text = scope.readText(path);
    this.#looked = scope.now();
    try {
      this.#users = parseUsers(this.#text);
    } catch (error) {
      throw scope.failure("invalid", `${path}: ${messageOf(error)}`, "users");
    }
  }

  get(name: string): User | undefined {
    this.#look();
    return this.#users.get(name);
  }

  #look(): void {
    if (this.#scope.now() - this.#looked < LOOK_MS) return;
    this.#looked = this.#scope.now();
    try {
      const text = this.#scope.readText(this.#path);
      if (text === this.#text) return;
      this.#text = text;
      this.#users = parseUsers(text);
      this.#scope.log("info", "read the users again", { users: this.#users.size });
    } catch (error) {
      this.#scope.log("error", "cannot read the users: those from before still count", {
        error: messageOf(error),
      });
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
