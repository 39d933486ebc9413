import assert from "node:assert/strict";
import type { AdminApp } from "./app.ts";
import { checkedAdmin } from "./promised.ts";
import { branchOffice, type MemoryAppliance } from "./testing.ts";

/** The stream of a client that knows `last`, in blocks, until one matches `until`; and the id that it knows then. */
async function follow(app: AdminApp, until: RegExp, last?: string) {
  const response = await app.request("http://localhost/v1/events", {
    headers: last === undefined ? {} : { "last-event-id": last },
  });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const blocks: string[] = [];
  let known = last;
  while (!blocks.some((block) => until.test(block))) {
    const { value = "" } = await reader.read();
    for (const block of value.split("\n\n").filter((text) => text !== "")) {
      // As browsers do (HTML Living Standard §9.2.6).
      known = /^id: (.*)$/m.exec(block)?.[1] ?? known;
      if (!block.startsWith(":")) blocks.push(block);
    }
  }
  await reader.cancel();
  return { known, events: blocks.filter((block) => /^event: /m.test(block)) };
}

function happen(api: MemoryAppliance, from: number, to: number): void {
  for (let n = from; n <= to; n++) {
    api.bus.publish({ type: "plugin", name: `e${n}`, fields: {} });
  }
}

const names = (events: readonly string[]) =>
  events.map((event) => /"name":"(e\d+)"/.exec(event)?.[1] ?? event);

Deno.test("a client that was away for some events gets just these", async () => {
  const api = await branchOffice();
  const app = checkedAdmin(api);
  happen(api, 1, 3);
  // Not even one event came before it was cut off.
  const first = await follow(app, /^id: /);
  assert.deepEqual(first.events, []);
  happen(api, 4, 6);
  const second = await follow(app, /"e6"/, first.known);
  assert.deepEqual(names(second.events), ["e4", "e5", "e6"]);
  const third = await follow(app, /^id: /, second.known);
  assert.deepEqual(third.events, []);
  assert.equal(third.known, second.known);
});

Deno.test("a client that was away for too long is told how many events it will never see", async () => {
  const api = await branchOffice();
  const app = checkedAdmin(api);
  happen(api, 1, 10);
  const { known } = await follow(app, /^id: /);
  happen(api, 11, 1100);
  const { events } = await follow(app, /"e1100"/, known);
  assert.equal(events[0], 'event: missed\ndata: {"count":66}');
  assert.deepEqual(
    names(events.slice(1)),
    Array.from({ length: 1024 }, (_, i) => `e${i + 77}`),
  );
});

Deno.test("a client from before a restart is told so, and gets all since then; numbers alone prove nothing", async () => {
  const former = await branchOffice();
  happen(former, 1, 5);
  const { known } = await follow(checkedAdmin(former), /^id: /);
  const later: MemoryAppliance = { ...await branchOffice(), startedAt: former.startedAt + 60_000 };
  const app = checkedAdmin(later);
  happen(later, 1, 9);
  const restarted = `event: restarted\ndata: {"started-at":"${
    new Date(later.startedAt).toISOString()
  }"}`;
  for (const last of [known!, "5", "-5", "5000", "x", `${later.startedAt}-x`, "%00"]) {
    const { events } = await follow(app, /"e9"/, last);
    assert.equal(events[0], restarted, last);
    assert.deepEqual(names(events.slice(1)), Array.from({ length: 9 }, (_, i) => `e${i + 1}`));
  }
});
