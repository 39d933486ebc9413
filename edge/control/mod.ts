/** The control plane of the appliance. @module */

export { type ControlPlane, startControl } from "./control.ts";
export type { ApplianceEvent, ControlEvent, Subscription } from "./events.ts";
export type { ManagedState } from "./status.ts";
