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

/** A template, read once; gives undefined where the text is empty, or a part of it is not known of this call. */
export type Template = (call: CallFacts, user: string) => string | undefined;

/** Reads a template. */
export function readTemplate(template: string): Template {
  // Texts and the names between them take turns.
  const parts = template.split(PART).map((text, i) => i % 2 === 0 ? text : PARTS[text]);
  return (call, user) => {
    let filled = "";
    for (const part of parts) {
      const text = typeof part === "string" ? part : part?.(call, user);
      if (text === undefined) return undefined;
      filled += text;
    }
    return filled === "" ? undefined : filled;
  };
}

function lineText({ line }: CallFacts, type: number): string | undefined {
  const found = line?.find((one) => one.type === type);
  return found && decoder.decode(found.value);
}

const PART = /\{([^{}]*)\}/g;
const decoder = new TextDecoder();
