/** The admin endpoint: an app over an {@linkcode ApplianceApi}, and the socket that it listens on. @module */

export { type AdminApp, type AdminOptions, createAdmin } from "./app.ts";
export { connectionCap } from "./connections.ts";
export { type AdminServer, type RequestHandler, serveAdmin, type ServeOptions } from "./serve.ts";
