/** Names and numbers made of what is known of a client: `{circuit-id}@line`, `{mac}`. Pure. @module */

/** What may stand in a template. What is not known is empty. */
export const placeholders = [
  "circuit-id",
  "remote-id",
  "mac",
  "interface",
  "vlan",
  "outer-vlan",
  "inner-vlan",
  "service-name",
  "session-id",
  "user",
  "realm",
] as const;

/** What a template is filled with. */
export type TemplateValues = { readonly [Name in typeof placeholders[number]]?: string };

const pattern = /\{([^{}]*)\}/g;

/** What is wrong with a template; undefined: nothing. */
export function templateProblem(template: string): string | undefined {
  for (const [, name] of template.matchAll(pattern)) {
    if (!placeholders.some((known) => known === name)) {
      return `{${name}} stands for nothing; expected ${
        placeholders.map((known) => `{${known}}`).join(", ")
      }`;
    }
  }
  const left = template.replaceAll(pattern, "");
  return /[{}]/.test(left) ? "a brace that belongs to no other" : undefined;
}

/** Fills a template. */
export function fillTemplate(template: string, values: TemplateValues): string {
  return template.replaceAll(
    pattern,
    (_, name: string) => values[name as keyof TemplateValues] ?? "",
  );
}

/** The part of a user's name behind its last `@`; undefined: it has none. */
export function realmOf(user: string): string | undefined {
  const at = user.lastIndexOf("@");
  return at < 0 ? undefined : user.slice(at + 1);
}
