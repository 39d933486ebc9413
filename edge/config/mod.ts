/** The configuration: file to {@linkcode Config}, what changed between two, and how one is shown. @module */

export {
  type AttributeName,
  pseudowireTypeNames,
  type SessionAttributes,
  type TunnelAttributes,
} from "./attributes.ts";
export { buildSession, buildTunnel, type Built, l2tpPort } from "./build.ts";
export { checkSession, checkTunnel, type Problem } from "./checks.ts";
export { checkCircuit, claimsOf, parseCircuit } from "./circuit.ts";
export { describeConfig, describeInParts } from "./describe.ts";
export { parseConfig } from "./parse.ts";
export type { ParseOptions } from "./reading.ts";
export { ConfigError, type ConfigProblem, formatProblem } from "./problem.ts";
