/** Texts with what a call was in them: `{calling-number}` and the like. @module */

import type { CallFacts } from "../call.ts";

/** What may stand between braces, and what it is replaced by. */
const PARTS: Readonly<Record<string, (call: CallFacts, user: string) => string | undefined>> = {
  user: (_, user) => user,
  "calling-number": ({ callingNumber }) => callingNumber,
  "called-number": ({ calledNumber }) => calledNumber,
  name: ({ name, portId }) => portId ?? name,
  id: ({ id }) => id,
  mac: ({ mac }) => mac,
  "circuit-id": (call) => lineText(call, 1),
  "remote-id": (call) => lineText(call, 2),
  vlan: ({ vlans }) => vlans?.length ? vlans.join(".") : undefined,
  tunnel: ({ tunnel }) => tunnel?.assignmentId,
  peer: ({ tunnel }) => tunnel?.clientEndpoint,
  "service-name": ({ serviceName }) => serviceName,
};

/** The names that a template has between braces and that mean nothing. */
export function unknownParts(template: string): readonly string[] {
  return [...template.matchAll(PART)].map(([, name]) => name!).filter((name) => !(name in PARTS));
}

/** The text; undefined where it is empty, or a part of it is not known of this call. */
export function fill(template: string, call: CallFacts, user: string): string | undefined {
  let known = true;
  const text = template.replaceAll(PART, (_, name: string) => {
    const part = PARTS[name]?.(call, user);
    known &&= part !== undefined;
    return part ?? "";
  });
  return known && text !== "" ? text : undefined;
}

function lineText({ line }: CallFacts, type: number): string | undefined {
  const found = line?.find((one) => one.type === type);
  return found && decoder.decode(found.value);
}

const PART = /\{([^{}]*)\}/g;
const decoder = new TextDecoder();
