import assert from "node:assert/strict";
import type { Session } from "../../session.ts";
import { factsOf } from "./call.ts";

Deno.test("what a call has said is told: numbers, speeds, the line, and the tunnel from the LNS's side", () => {
  const others = [
    { vendorId: 3561, type: 1, mandatory: false, value: Uint8Array.of(1) },
    { vendorId: 9, type: 1, mandatory: false, value: Uint8Array.of(2) },
  ];
  const said = {
    calledNumber: "900",
    callingNumber: "555",
    txConnectSpeed: 2n,
    rxConnectSpeed: 1n,
    physicalChannelId: 7,
    callSerialNumber: 42,
    others,
  };
  const tunnel = {
    name: "lac",
    version: 2,
    peer: "10.0.0.9",
    hostName: "far",
    localHostName: "near",
    peerName: "lac",
  } as const;
  const session = { id: "1", name: "lac/1", said, tunnel } as unknown as Session;
  assert.deepEqual(factsOf(session), {
    id: "1",
    name: "lac/1",
    portType: 5,
    port: 7,
    callingNumber: "555",
    calledNumber: "900",
    txSpeed: 2n,
    rxSpeed: 1n,
    line: [{ type: 1, value: Uint8Array.of(1) }],
    tunnel: {
      clientEndpoint: "10.0.0.9",
      clientAuthId: "far",
      serverAuthId: "near",
      assignmentId: "lac",
      connection: "42",
    },
  });
  const { tunnel: _, ...bare } = session;
  const other = { ...bare, said: {} } as Session;
  assert.deepEqual(factsOf(other), { id: "1", name: "lac/1", portType: 5 });
});
