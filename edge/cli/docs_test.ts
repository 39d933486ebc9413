import assert from "node:assert/strict";
import { ethernet } from "../../plugins/ethernet/mod.ts";
import { serveAdmin } from "../admin/mod.ts";
import { checkedAdmin } from "../admin/promised.ts";
import { memoryAppliance } from "../admin/testing.ts";
import { main } from "./main.ts";

const docs = new URL("../../docs/", import.meta.url);

/** The words of a line as a shell splits it: blanks apart, single quotes together. */
function split(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!);
}

Deno.test("every command of cli.md works and prints what is shown", async () => {
  const page = await Deno.readTextFile(new URL("cli.md", docs));
  const blocks = [...page.matchAll(/^```console\n(.*?)^```$/gms)].map(([, block]) => block!);
  assert.ok(blocks.length > 0);
  const api = memoryAppliance();
  const app = checkedAdmin(api, {
    plugins: [ethernet],
  });
  await using server = await serveAdmin({ listen: { host: "127.0.0.1", port: 0 } }, app);
  for (const block of blocks) {
    for (const part of block.split(/^\$ /m).slice(1)) {
      const [line, ...shown] = part.split("\n");
      let out = "";
      const status = await main(split(line!).slice(1), {
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
      assert.equal(out, shown.join("\n"), line);
      assert.equal(status, 0, line);
    }
  }
});

Deno.test("every request of admin.md succeeds", async () => {
  const page = await Deno.readTextFile(new URL("admin.md", docs));
  const blocks = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block!);
  const lines = blocks.join("").replaceAll("\\\n", " ").split("\n").filter((line) => line !== "");
  assert.ok(lines.length > 0);
  const app = checkedAdmin(memoryAppliance(), {
    plugins: [ethernet],
  });
  for (const line of lines) {
    const words = split(line);
    const after = (flag: string) =>
      words.includes(flag) ? words[words.indexOf(flag) + 1] : undefined;
    const body = after("-d");
    const response = await app.request(words.find((word) => word.startsWith("http"))!, {
      method: after("-X") ?? (body === undefined ? "GET" : "POST"),
      headers: after("-H") === undefined ? {} : { "content-type": "application/json" },
      ...(body !== undefined && { body }),
    });
    assert.ok(response.ok, `${line}: ${response.status} ${await response.text()}`);
  }
});

Deno.test("admin.md has a row for every route, and no other", async () => {
  const page = await Deno.readTextFile(new URL("admin.md", docs));
  const rows = [...page.matchAll(/^\| `([A-Z]+)` +\| `(\/[^`]*)`/gm)]
    .map(([, method, path]) => `${method} ${path}`);
  const app = checkedAdmin(memoryAppliance());
  const { paths } = await (await app.request("http://localhost/openapi.json")).json() as {
    paths: Record<string, object>;
  };
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`)
  );
  assert.deepEqual(rows.sort(), routes.sort());
});
