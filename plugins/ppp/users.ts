/** Users in a file, until there is more: a line each, `name secret`. @module */

import { timingSafeEqual } from "node:crypto";
import { z } from "zod";
import type { Scope } from "../plugin.ts";
import type { Answer, Asked, Authenticator } from "./aaa/authenticator.ts";
import { md5Response } from "./link/chap.ts";
import {
  authenticatorResponse,
  ntPasswordHash,
  ntResponse,
  parseResponse,
} from "./link/mschapv2.ts";

export const aaaShape = {
  aaa: z.strictObject({
    authenticate: z.array(z.enum(["local", "none"])).min(1).default(["none"]),
    users: z.string().exactOptional(),
  }).default({ authenticate: ["none"] }),
};
const shape = z.strictObject(aaaShape);

export function makeAuthenticator(scope: Scope, { aaa }: z.infer<typeof shape>): Authenticator {
  const secrets = new Map<string, string>();
  if (aaa.users !== undefined) {
    for (const line of scope.readText(aaa.users).split("\n")) {
      const [name, secret] = line.trim().split(/\s+/);
      if (name && secret) secrets.set(name, secret);
    }
  }
  return {
    check(asked) {
      const user = new TextDecoder().decode(asked.name);
      const secret = secrets.get(user);
      const answer: Answer = asked.kind === "none" || aaa.authenticate[0] === "none"
        ? { kind: "accept", grant: { user } }
        : secret === undefined
        ? { kind: "reject", reason: "no such user" }
        : verify(asked, secret, user);
      return Promise.resolve(answer);
    },
    account: () => ({ changed() {}, stop() {} }),
  };
}

function verify(asked: Asked, secret: string, user: string): Answer {
  const same = (a: Uint8Array, b: Uint8Array) => a.length === b.length && timingSafeEqual(a, b);
  const octets = new TextEncoder().encode(secret);
  const wrong: Answer = { kind: "reject", reason: "wrong password" };
  switch (asked.kind) {
    case "pap":
      return same(asked.password, octets) ? { kind: "accept", grant: { user } } : wrong;
    case "chap-md5":
      return same(asked.response, md5Response(asked.id, octets, asked.challenge))
        ? { kind: "accept", grant: { user } }
        : wrong;
    case "mschapv2": {
      const response = parseResponse(asked.response);
      if (!response) return wrong;
      const hash = ntPasswordHash(secret);
      const right = ntResponse(asked.challenge, response.peerChallenge, asked.name, hash);
      if (!same(response.ntResponse, right)) return wrong;
      return {
        kind: "accept",
        grant: {
          user,
          msChapSuccess: `${
            authenticatorResponse(asked.challenge, response, asked.name, hash)
          } M=welcome`,
        },
      };
    }
    default:
      return wrong;
  }
}
