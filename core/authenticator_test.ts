import assert from "node:assert/strict";
import { Authenticator } from "./authenticator.ts";
import type { AnyMessage } from "./wire/message.ts";
import { seeded, testSettings } from "./testing.ts";

Deno.test("Authenticator.hiding() pads each AVP with random octets of a random number, and none with none", () => {
  const settings = testSettings({ hideAvps: "all", secret: new TextEncoder().encode("secret") });
  const random = seeded(1);
  const authenticator = new Authenticator(settings, "udp", random.bytes);
  const message = {
    version: 2,
    type: "ICRQ",
    avps: { assignedSessionId: 1, callSerialNumber: 2, calledNumber: "5", callingNumber: "6" },
    others: [],
  } as unknown as AnyMessage;
  const lengths = new Set<number>();
  for (let i = 0; i < 50; i++) {
    const hiding = authenticator.hiding(message)!;
    assert.equal(hiding.randomVector.length, 16);
    assert.equal(hiding.padding.size, 4);
    for (const padding of hiding.padding.values()) lengths.add(padding.length);
  }
  assert.deepStrictEqual(
    [...lengths].sort((a, b) => a - b),
    Array.from({ length: 16 }, (_, i) => i),
  );
});
