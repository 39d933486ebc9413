/** /v1/peers, and what else the configuration file can say. @module */

import { createRoute, z } from "@hono/zod-openapi";
import type { JSONValue } from "hono/utils/types";
import { ApplianceError } from "../appliance/errors.ts";
import { describePeer } from "../config/describe.ts";
import type { PeerConfig } from "../config/model.ts";
import { checkMatch, viewTag } from "./etag.ts";
import { addition, changesTo, makeEdits, mergePatch } from "./edits.ts";
import {
  body,
  conditions,
  created,
  json,
  patch as patchBody,
  problems,
  type RouteContext,
  tagged,
  unread,
} from "./route.ts";
import { answerInPieces, shown } from "./pieces.ts";
import { reloadView } from "./schemas.ts";
import { viewDown } from "./view.ts";

const keys = z.record(z.string(), z.unknown());
const peerView = z.object({ name: z.string() }).catchall(z.unknown())
  .describe("A peer as the configuration file has it, defaults included, secrets masked.")
  .meta({ id: "Peer" });
const peerParam = z.object({ peer: z.string().describe("The peer's name.") });
const newPeer = z.object({ name: z.string() }).catchall(z.unknown())
  .describe("A name, and a peer's keys as the configuration file has them.").meta({
    id: "PeerInput",
  });
const peerPatch = keys
  .describe("A peer's keys as the configuration file has them; null: the default again.")
  .meta({ id: "PeerPatch" });

const list = createRoute({
  method: "get",
  path: "/v1/peers",
  operationId: "listPeers",
  summary: "List the peers in the order in which they are tried",
  responses: { 200: json(z.object({ peers: z.array(peerView) }), "All peers."), ...problems() },
});

const create = createRoute({
  method: "post",
  path: "/v1/peers",
  operationId: "createPeer",
  summary: "Add a peer, which is tried after all others",
  request: { body: body(newPeer) },
  responses: { 201: created(peerView, "The peer."), ...problems(...unread, 409, 507) },
});

const get = createRoute({
  method: "get",
  path: "/v1/peers/{peer}",
  operationId: "getPeer",
  summary: "Show a peer",
  request: { params: peerParam },
  responses: { 200: tagged(peerView, "The peer."), ...problems(404) },
});

const change = createRoute({
  method: "patch",
  path: "/v1/peers/{peer}",
  operationId: "changePeer",
  summary: "Change a peer; what needs no agreement changes in living tunnels",
  request: { params: peerParam, headers: conditions, body: patchBody(peerPatch) },
  responses: {
    200: tagged(peerView, "The peer as it is now."),
    ...problems(...unread, 404, 409, 412, 507),
  },
});

const remove = createRoute({
  method: "delete",
  path: "/v1/peers/{peer}",
  operationId: "deletePeer",
  summary: "Delete a peer; tunnels that it dialed end, tunnels that name it must go first",
  request: { params: peerParam, headers: conditions },
  responses: { 204: { description: "The peer is gone." }, ...problems(404, 409, 412, 507) },
});

const patch = createRoute({
  method: "patch",
  path: "/v1/config",
  operationId: "changeConfig",
  summary: "Change anything that the configuration file can say (a JSON Merge Patch, RFC 7396)",
  request: { headers: conditions, body: patchBody(keys) },
  responses: { 200: json(reloadView, "What was done."), ...problems(...unread, 409, 412, 507) },
});

const save = createRoute({
  method: "post",
  path: "/v1/config/save",
  operationId: "saveConfig",
  summary: "Write what requests changed into the configuration file, comments kept",
  responses: {
    200: json(
      z.object({
        refused: z.string().optional().describe("Why the file was not written."),
        text: z.string().optional()
          .describe("Then: what it should say, its secrets included."),
      }).meta({ id: "Saved" }),
      "Whether the file was written.",
    ),
    ...problems(...unread),
  },
});

/** Adds the routes. */
export function addPeerRoutes({ app, api, change: inTurn }: RouteContext): void {
  const find = (name: string): PeerConfig => {
    const found = api.config().peers.find((peer) => peer.name === name);
    if (found) return found;
    throw new ApplianceError("not-found", undefined, `there is no peer ${name}`);
  };
  const viewOf = (peer: PeerConfig) => ({
    name: peer.name,
    ...describePeer(peer) as Record<string, JSONValue>,
  });
  const view = (name: string) => viewOf(find(name));

  app.openapi(
    list,
    (c) => answerInPieces(c, {}, { peers: shown(api.config().peers, viewOf) }) as never,
  );

  app.openapi(create, async (c) => {
    const { name, ...given } = c.req.valid("json");
    const path = ["peers", name];
    await inTurn(async () => {
      if (api.saidBy(path) !== undefined) {
        throw new ApplianceError("exists", "name", `there is a peer ${name} already`);
      }
      await makeEdits(api, [addition(path, given)], path);
    });
    const created = view(name);
    const location = `/v1/peers/${encodeURIComponent(name)}`;
    return c.json(created, 201, { location, etag: viewTag(created) });
  });

  app.openapi(get, (c) => {
    const found = view(c.req.valid("param").peer);
    return c.json(found, 200, { etag: viewTag(found) });
  });

  app.openapi(change, async (c) => {
    const { peer } = c.req.valid("param");
    const path = ["peers", peer];
    await inTurn(async () => {
      checkMatch(c.req.valid("header"), viewTag(view(peer)));
      await makeEdits(api, changesTo(path, c.req.valid("json")), path);
    });
    const changed = view(peer);
    return c.json(changed, 200, { etag: viewTag(changed) });
  });

  app.openapi(remove, async (c) => {
    const { peer } = c.req.valid("param");
    await inTurn(async () => {
      checkMatch(c.req.valid("header"), viewTag(view(peer)));
      await makeEdits(api, [{ path: ["peers", peer], value: undefined }]);
    });
    return c.body(null, 204);
  });

  app.openapi(patch, async (c) => {
    const conditions = c.req.valid("header");
    const { down, kept, steps } = await inTurn(async () => {
      // All of it has no version that would be cheap to tell: no tag is that of what is in force.
      checkMatch(conditions, "none");
      return await makeEdits(api, mergePatch(c.req.valid("json")));
    });
    const long = { steps: shown(steps, (step) => ({ ...step })), down: shown(down, viewDown) };
    return answerInPieces(c, { kept }, long) as never;
  });

  app.openapi(save, async (c) => {
    const { refused, text } = await inTurn(() => api.save());
    return c.json(refused === undefined ? {} : { refused, text }, 200);
  });
}
