import assert from "node:assert/strict";
import type { Client } from "./discovery/concentrator.ts";
import { factsOf, saidOf, templateValues } from "./subscriber.ts";

const octets = (text: string) => new TextEncoder().encode(text);
const kilobits = (value: number) => {
  const told = new Uint8Array(4);
  new DataView(told.buffer).setUint32(0, value);
  return told;
};
/** RFC 4679 §3.3.1, §3.3.2, §3.3.3, §3.3.4. */
const line = [
  { type: 0x01, value: octets("atm 1/1:100.33") },
  { type: 0x02, value: octets("home-7") },
  { type: 0x81, value: kilobits(10_000) },
  { type: 0x82, value: kilobits(50_000) },
];
const client: Client = {
  mac: "02:00:00:00:00:07",
  vlans: [{ vid: 100 }, { vid: 7 }],
  sessionId: 4711,
  serviceName: octets("gold"),
  line,
  maxPayload: 1492,
};
const how = { calling: "{remote-id}", called: "{service-name}", line: true };
const of = { id: "a1", name: "street/4711", device: "eth1" };

Deno.test("RADIUS is told who calls whom, where from, and how fast the line is", () => {
  const said = saidOf(client, templateValues(client, "eth1"), how);
  const { line: told, ...facts } = factsOf(client, of, said);
  assert.deepEqual(facts, {
    id: "a1",
    name: "street/4711",
    portType: 34,
    port: 4711,
    portId: "eth1.100.7",
    mac: client.mac,
    vlans: [100, 7],
    serviceName: "gold",
    callingNumber: "home-7",
    calledNumber: "gold",
    txSpeed: 50_000_000n,
    rxSpeed: 10_000_000n,
  });
  assert.deepEqual(told?.map(({ type }) => type), line.map(({ type }) => type));
});

Deno.test("what is not known of a client is not told", () => {
  const plain = { ...client, vlans: [], line: [] };
  const said = saidOf(plain, templateValues(plain, "eth1"), {
    calling: "",
    called: "",
    line: true,
  });
  assert.deepEqual(said, { framingType: 1 });
  const { portId, portType, ...facts } = factsOf(plain, of, said);
  assert.deepEqual({ portId, portType }, { portId: "eth1", portType: 32 });
  for (const key of ["callingNumber", "calledNumber", "txSpeed", "rxSpeed", "line"]) {
    assert.equal(Object.hasOwn(facts, key), false, key);
  }
});
