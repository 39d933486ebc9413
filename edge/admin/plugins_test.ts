import assert from "node:assert/strict";
import { z } from "zod";
import { main } from "../cli/main.ts";
import { checkedAdmin } from "./promised.ts";
import { serveAdmin } from "./serve.ts";
import { memoryAppliance } from "./testing.ts";

const plugin = {
  name: "switch",
  summary: "a switch",
  pseudowireTypes: [5],
  views: [{
    name: "fdb",
    help: "what was learnt",
    columns: [{ name: "port", help: "where" }, { name: "mac", help: "who" }],
  }],
  words: [{ word: "flush-fdb", help: "forgets it", given: z.looseObject({}) }],
  start: () => ({}),
};

async function bench() {
  const app = checkedAdmin(memoryAppliance(), {
    plugins: [plugin],
  });
  const server = await serveAdmin({ listen: { host: "127.0.0.1", port: 0 } }, app);
  const ask = async (method: string, path: string, given?: object) => {
    const response = await fetch(`${server.url}${path}`, {
      method,
      ...(given && {
        body: JSON.stringify(given),
        headers: { "content-type": "application/json" },
      }),
    });
    return { status: response.status, body: await response.json() };
  };
  const isthmus = async (line: string) => {
    let out = "";
    const status = await main(line.split(" "), {
      version: "1",
      run: () => Promise.resolve(0),
      check: () => Promise.resolve([]),
      readTextFile: Deno.readTextFile,
      uid: () => 0,
      exists: () => Promise.resolve(false),
      env: (name) => name === "ISTHMUS_URL" ? server.url : undefined,
      stdout: (text) => out += text,
      stderr: (text) => out += text,
      columns: () => undefined,
      sleep: () => Promise.resolve(false),
      create: () => assert.fail("nothing is to be written"),
    });
    return [status, out];
  };
  return { ask, isthmus, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

Deno.test("circuits, views and words of plugins are listed and answered", async () => {
  await using api = await bench();
  assert.deepEqual((await api.ask("GET", "/v1/circuits")).body, {
    circuits: [{ name: "lan", circuit: { bridge: {} }, status: "up", sessions: 2 }],
  });
  assert.equal((await api.ask("GET", "/v1/views")).body.views[0].plugin, "switch");
  assert.deepEqual((await api.ask("GET", "/v1/views/fdb?name=p7")).body, {
    columns: plugin.views[0]!.columns,
    rows: [{ port: "p7", mac: "02:00:00:00:00:01" }],
    truncated: false,
  });
  assert.equal((await api.ask("GET", "/v1/views/arp")).status, 404);
  assert.equal((await api.ask("GET", "/v1/words")).body.words[0].word, "flush-fdb");
  assert.deepEqual((await api.ask("POST", "/v1/words/flush-fdb", { port: 1 })).body, {
    answer: { flushed: { port: 1 } },
  });
  assert.equal((await api.ask("POST", "/v1/words/reboot")).status, 404);
});

Deno.test("isthmus shows circuits and views, and does what a word says", async () => {
  await using api = await bench();
  assert.deepEqual(await api.isthmus("show circuit"), [
    0,
    "NAME  PLUGIN  STATUS  SESSIONS  REASON\nlan   bridge  up             2  -\n",
  ]);
  assert.deepEqual(await api.isthmus("show view"), [
    0,
    "NAME  PLUGIN  HELP\nfdb   switch  what was learnt\n",
  ]);
  assert.deepEqual(await api.isthmus("show view fdb p3"), [
    0,
    "PORT  MAC\np3    02:00:00:00:00:01\n",
  ]);
  assert.deepEqual(await api.isthmus("do flush-fdb port 7 switch br0"), [
    0,
    "flushed:\n  port: 7\n  switch: br0\n",
  ]);
  assert.deepEqual(await api.isthmus("do"), [
    0,
    "WORD       PLUGIN  HELP\nflush-fdb  switch  forgets it\n",
  ]);
  const [status] = await api.isthmus("do flush-fdb port");
  assert.equal(status, 2);
});
