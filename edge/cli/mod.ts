/** The command line interface. @module */

export type { Deps } from "./deps.ts";
export { main } from "./main.ts";
