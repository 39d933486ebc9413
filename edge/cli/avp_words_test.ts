import assert from "node:assert/strict";
import { meaningOf } from "./avp_words.ts";

Deno.test("meaningOf() says numbers in words, and octets that are text as text", () => {
  const cases: [name: string, value: unknown, meaning: string | undefined, message?: string][] = [
    ["protocol-version", 0x0100, "1.0"],
    ["framing-capabilities", 3, "3 (synchronous, asynchronous)"],
    ["framing-type", 2, "2 (asynchronous)"],
    ["bearer-type", 1, "1 (digital)"],
    ["bearer-capabilities", 0, undefined],
    ["pseudowire-type", 5, "5 (ethernet)"],
    ["pseudowire-type", 99, undefined],
    ["pseudowire-capabilities", [4, 7, 99], "4 (ethernet-vlan), 7 (ppp), 99"],
    ["l2-specific-sublayer", 1, "1 (default)"],
    ["data-sequencing", 2, "2 (all)"],
    ["proxy-authen-type", 5, "5 (mschap)"],
    ["router-id", 0xc0000201, "192.0.2.1"],
    ["remote-end-id", "6f6666696365", '"office"'],
    ["remote-end-id", "00000007", undefined],
    ["remote-end-id", "7f", undefined],
    ["remote-end-id", "", undefined],
    ["host-name", "hq", undefined],
    ["result-code", { result: 6 }, "6 (shutting down)", "StopCCN"],
    [
      "result-code",
      { result: 6, error: 0, message: "gone" },
      "6 (invalid destination): gone",
      "CDN",
    ],
    [
      "result-code",
      { result: 2, error: 4, message: "full" },
      "2 (general error), error 4 (no resources): full",
      "CDN",
    ],
    ["result-code", { result: 77, error: 88 }, "77, error 88", "StopCCN"],
    ["result-code", "0001", undefined, "CDN"],
  ];
  for (const [name, value, meaning, message = "ICRQ"] of cases) {
    assert.equal(meaningOf(name, message, value), meaning, `${name} ${JSON.stringify(value)}`);
  }
});
