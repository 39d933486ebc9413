import assert from "node:assert/strict";
import { isName, parseNamed } from "./dns_name.ts";

Deno.test("parseNamed() reads names with and without a port, in small letters", () => {
  assert.deepEqual(parseNamed("LNS.Example.net"), { address: "lns.example.net", port: undefined });
  assert.deepEqual(parseNamed("lns.example.net.:1702"), { address: "lns.example.net", port: 1702 });
  assert.deepEqual(parseNamed("lns"), { address: "lns", port: undefined });
  assert.deepEqual(parseNamed("7-up.example"), { address: "7-up.example", port: undefined });
});

Deno.test("parseNamed() takes no address for a name, and no name that a host cannot have", () => {
  const wrong = [
    "10.0.0.1",
    "10.0.0.256",
    "1701",
    "fd77::1",
    "[fd77::1]:1701",
    "a_b",
    "-a.example",
  ];
  const others = ["a-.example", "a..b", "", ".", "a.example:", "a.example:70000", "x".repeat(64)];
  for (const text of [...wrong, ...others, `${"a.".repeat(127)}example`]) {
    assert.equal(parseNamed(text), undefined, text);
  }
});

Deno.test("isName() tells names from addresses", () => {
  assert.ok(isName({ address: "lns.example.net" }));
  for (const address of ["10.0.0.1", "fd77::1", "fe80::1%eth0", "0.0.0.0"]) {
    assert.ok(!isName({ address }), address);
  }
});
