/** The control plane of the appliance. @module */

export { type ControlPlane, startControl } from "./control.ts";
export type {
  ApplianceEvent,
  ControlEvent,
  Ending,
  Failure,
  FailureEvent,
  StateEvent,
  Subscription,
} from "./events.ts";
export type { FailureReport } from "./failures.ts";
export type { ManagedState } from "./status.ts";
export type { TracedPacket } from "./packets.ts";
export type { Trace, Traced, TracedMessage } from "./trace.ts";
