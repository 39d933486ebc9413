/** The control plane of the appliance. @module */

export { type ControlPlane, startControl } from "./control.ts";
export type { ControlEvent, FailureEvent, StateEvent, Subscription } from "./events.ts";
export type { Failure, FailureReport } from "./failures.ts";
export type { ManagedState } from "./status.ts";
