/** The admin endpoint: an app over an {@linkcode ApplianceApi}, and the socket that it listens on. @module */

export { type AdminOptions, createAdmin } from "./app.ts";
export { type AdminServer, type RequestHandler, serveAdmin } from "./serve.ts";
