/** The command line interface. @module */

export { type Deps, main } from "./main.ts";
