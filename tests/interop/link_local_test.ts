/** Two appliances that know each other by link-local addresses, spelled with the device's name throughout. */

import assert from "node:assert/strict";
import { startAppliance } from "./support/appliance.ts";
import { untilUp } from "./support/managed.ts";
import { device, makePair } from "./support/place.ts";
import { until } from "./support/process.ts";
import { suite } from "./support/suite.ts";

const [here, there] = [`fe80::1%${device}`, `fe80::2%${device}`];

const { test } = suite(import.meta.url, ["root"], async (stack) => {
  const pair = stack.use(await makePair());
  for (const [i, end] of [pair.here, pair.there].entries()) {
    await end.here("ip", "addr", "add", `fe80::${i + 1}/64`, "dev", device, "nodad");
  }
  return { pair };
});

interface View {
  readonly tunnels: readonly { readonly "ip6-daddr"?: string; readonly "ip6-saddr"?: string }[];
}

for (const encap of ["udp", "ip"] as const) {
  for (const wildcard of [false, true]) {
    const from = wildcard ? "any address" : "its link-local address";
    test(`IPv6 link-local peers come up over ${encap} from ${from}`, async ({ pair }) => {
      const listen = (address: string) =>
        encap === "udp"
          ? `udp: "[${wildcard ? "::" : address}]:1701"`
          : `ip: "${wildcard ? "::" : address}"`;
      await using answerer = await startAppliance(pair.there, (socket) => `
listen: [{ ${listen(there)} }]
admin: { listen: "unix:${socket}" }
peers:
  branch:
    address: "${here}"
    accept: [{ circuit: { probe: { address: 192.168.0.2/24 } } }]
`);
      await using dialer = await startAppliance(pair.here, (socket) => `
listen: [{ ${listen(here)} }]
admin: { listen: "unix:${socket}" }
peers: { hq: {} }
tunnels:
  t:
    peer: hq
    encap: ${encap}
    ${wildcard ? "" : `local: "${here}"`}
    remote: "${there}"
    sessions: { s: { circuit: { probe: { address: 192.168.0.1/24, ping: 192.168.0.2, interval-ms: 20 } } } }
`);
      await untilUp(dialer, "t", 1);
      await until("pings are answered", async () => {
        const session = await dialer.get<{ "circuit-state"?: { received?: number } }>(
          "/v1/tunnels/t/sessions/s",
        );
        return (session["circuit-state"]?.received ?? 0) > 2;
      });
      const { tunnels: [tunnel] } = await answerer.get<View>("/v1/tunnels");
      assert.equal(tunnel?.["ip6-daddr"], here);
      assert.match(await answerer.process.log(), new RegExp(`remote=.*${here}`));
    });
  }
}

test("a zone by its number, or of another device, is refused or met with silence", async ({ pair }) => {
  await using appliance = await startAppliance(pair.here, (socket) => `
listen: []
admin: { listen: "unix:${socket}" }
`);
  const file = `${pair.here.folder}/numbered.yaml`;
  await Deno.writeTextFile(file, 'peers: { hq: { address: "fe80::2%2" } }\n');
  const { code, stderr } = await appliance.cli("check", file);
  assert.notEqual(code, 0);
  assert.match(stderr, /a device's number as zone; expected its name, such as fe80::2%eth0/);
});
