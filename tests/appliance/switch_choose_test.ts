/** Calls that say themselves which switch they are for, a VLAN pseudowire (RFC 4719, type 4) among them. */

import assert from "node:assert/strict";
import { z } from "zod";
import { PseudowireType } from "../../core/pseudowire.ts";
import type { Plugin } from "../../plugins/plugin.ts";
import { vswitch } from "../../plugins/vswitch/mod.ts";
import { startControlNode } from "./control_support.ts";
import { loopback, until } from "./support.ts";

/** A circuit whose frames the test sends, and sees in hexadecimal digits: `wire: { name }`. */
function wires() {
  const came = new Map<string, string[]>();
  const send = new Map<string, (frame: string) => void>();
  const plugin: Plugin<{ name: string }> = {
    name: "wire",
    summary: "frames of a test",
    pseudowireTypes: [PseudowireType.Ethernet, PseudowireType.EthernetVlan],
    options: z.strictObject({ name: z.string() }),
    start: () => ({
      provision: (_scope, { name }) => ({
        attach({ port }, scope) {
          const frames: string[] = [];
          came.set(name, frames);
          send.set(name, (frame) => void port.send([Uint8Array.fromHex(frame)]));
          scope.receive(port, (batch) => {
            for (const { bytes } of batch) frames.push(bytes.toHex());
          });
          return {};
        },
      }),
    }),
  };
  return { came, plugin: plugin as unknown as Plugin, send };
}

const broadcast = "ffffffffffff";
const payload = `0806${"00".repeat(46)}`;

Deno.test("choose takes each call to its switch and VLAN, a VLAN pseudowire's too, whose frames get the id of its end", async () => {
  const [a, b] = [loopback(191), loopback(192)];
  const { came, plugin, send } = wires();
  await using far = await startControlNode(
    `
listen: [{ udp: "${b}:1701" }]
host-name: far
switches: { blue: {}, lan: {} }
circuits:
  sites:
    switch:
      switch: lan
      choose:
        - { remote-end-id: blue-vlan, switch: blue }
        - { remote-end-id: "blue-*", switch: blue, tag: 20 }
        - { host-name: nobody, switch: blue }
peers:
  near:
    proto-version: 3
    accept:
      - { name: blue-vlan, pw-type: ethernet-vlan, vlan-id: 20, circuit: sites }
      - { name: "*", circuit: sites }
`,
    undefined,
    [vswitch as unknown as Plugin, plugin],
  );
  await using near = await startControlNode(
    `
listen: [{ udp: "${a}:1701" }]
host-name: near
peers: { far: { proto-version: 3 } }
tunnels:
  to-far:
    peer: far
    local: "${a}:1701"
    remote: ${b}:1701
    sessions:
      blue-vlan: { pw-type: ethernet-vlan, circuit: { wire: { name: vlan } } }
      blue-port: { circuit: { wire: { name: port } } }
      plain: { circuit: { wire: { name: plain } } }
      plain-too: { circuit: { wire: { name: plain-too } } }
`,
    undefined,
    [vswitch as unknown as Plugin, plugin],
  );
  await until(async () => (await near.up("to-far")).length === 4);
  await until(async () => (await far.appliance.tunnels())[0]?.sessions.length === 4);
  const shown = async () =>
    (await far.appliance.tunnels())[0]!.sessions.map(({ circuit, config }) =>
      `${config.name} ${(circuit?.shown as { switch: string }).switch}`
    ).sort();
  assert.deepEqual(await shown(), [
    "blue-port blue",
    "blue-vlan blue",
    "plain lan",
    "plain-too lan",
  ]);

  // PCP 5, VLAN 10, out of the near end; VLAN 20 at the far one, whose port takes the tag off.
  send.get("vlan")!(`${broadcast}020000000001` + "8100a00a" + payload);
  await until(() => came.get("port")!.length === 1);
  assert.equal(came.get("port")![0], `${broadcast}020000000001${payload}`);
  // And back, with the far end's id: the near end's own is put on where frames leave for another port, and here none do.
  send.get("port")!(`020000000001020000000002${payload}`);
  await until(() => came.get("vlan")!.length === 1);
  assert.equal(came.get("vlan")![0], `020000000001020000000002` + "81000014" + payload);
  // Of another switch, none of it was heard; there frames go from port to port.
  send.get("plain")!(`${broadcast}020000000003${payload}`);
  await until(() => came.get("plain-too")!.length === 1);
  assert.deepEqual(
    [came.get("plain")!.length, came.get("port")!.length, came.get("vlan")!.length],
    [
      0,
      1,
      1,
    ],
  );
});
