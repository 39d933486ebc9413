import assert from "node:assert/strict";
import { checkedAdmin } from "./promised.ts";
import { memoryAppliance } from "./testing.ts";

const admin = () =>
  checkedAdmin(memoryAppliance(), {
    version: "1.2.3",
  });

Deno.test("/ is a page for browsers, and for programs the list of what can be asked", async () => {
  const app = admin();
  const html = await app.request("http://localhost/", { headers: { accept: "text/html" } });
  assert.equal(html.headers.get("content-type"), "text/html; charset=utf-8");
  assert.match(await html.text(), /^<!doctype html>/);
  const json = await (await app.request("http://localhost/")).json();
  assert.equal(json.name, "isthmus");
  assert.equal(json.version, "1.2.3");
  const asked = new Set(
    json.endpoints.map(({ method, path }: { method: string; path: string }) => `${method} ${path}`),
  );
  for (
    const one of ["GET /v1/tunnels", "DELETE /v1/tunnels/{tunnel}", "GET /v1/trace", "GET /healthz"]
  ) {
    assert.ok(asked.has(one), one);
  }
});

Deno.test("nothing of the page runs code or loads anything but its own files", async () => {
  const app = admin();
  for (const path of ["/", "/page.js", "/page.css"]) {
    const answer = await app.request(`http://localhost${path}`, {
      headers: { accept: "text/html" },
    });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
    const policy = answer.headers.get("content-security-policy")!;
    assert.ok(policy.startsWith("default-src 'none'; "), policy);
    assert.ok(!/unsafe|\*|https?:/.test(policy), policy);
    const text = await answer.text();
    assert.doesNotMatch(
      text,
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|https?:\/\//,
    );
    if (path === "/") {
      assert.doesNotMatch(text, /<script(?! type="module" src)|<style| on\w+=| style=/);
    }
  }
});
