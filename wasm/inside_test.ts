import assert from "node:assert/strict";
import type { InsideSpec, PortIx } from "./mod.ts";
import { arrive, concat, hex, run } from "./testing_kernel.ts";
import { addresses, type End, ethernet, makeEnd, moved, refusal } from "./testing_ends.ts";

/** An ARP request for an IPv4 address, and a Neighbor Solicitation for an IPv6 one, each with a VLAN tag or none. */
const arp = (target: string, tag = "") =>
  hex(
    `ffffffffffff 020000000002 ${tag} 0806 0001 0800 0604 0001 ` +
      `020000000002 0a000002 000000000000 ${target}`,
  );
const solicitation = (target: string) =>
  concat(
    hex("3333ff000009 020000000002 86dd 60000000 0018 3a ff"),
    new Uint8Array(32),
    hex(`87000000 00000000 ${target}`),
  );
const mac = hex("020000000009");
const v4 = hex("0a000003");
const v6 = hex("fe8000000000000000000000000000ff");

Deno.test("a host inside a session is found by its addresses, in its VLAN, and by nothing else", () => {
  const asked = {
    arp: arp("0a000003"),
    tagged: arp("0a000003", "81000007"),
    other: arp("0a000004"),
    v6: solicitation(v6.toHex()),
    ours: concat(mac, hex("020000000002 88b5"), new Uint8Array(46)),
  };
  const expected: readonly [InsideSpec, readonly (keyof typeof asked)[]][] = [
    [{ mac, v4 }, ["arp", "ours"]],
    [{ mac, v4, vlan: 7 }, ["tagged", "ours"]],
    [{ mac, v4, vlan: "any" }, ["arp", "tagged", "ours"]],
    [{ mac, v6 }, ["v6", "ours"]],
    [{ mac }, ["ours"]],
  ];
  for (const [spec, names] of expected) {
    using a = makeEnd("udp4", 0);
    using b = makeEnd("udp4", 1);
    const inside = b.datapath.addHostPort("ethernet");
    b.datapath.putInside(b.session, inside, spec);
    for (const [name, frame] of Object.entries(asked)) {
      // What is not for it goes to the host port that the session is joined with.
      const wanted = names.includes(name as keyof typeof asked) ? inside : b.host;
      assert.deepEqual(
        delivered(a, b, frame),
        [wanted],
        `${name} for ${JSON.stringify(spec.vlan ?? "none")}`,
      );
    }
  }
});

Deno.test("what a host inside sends leaves by its session; wrong ones are refused", () => {
  using a = makeEnd("udp4", 0);
  const { datapath, session } = a;
  const inside = datapath.addHostPort("ethernet");
  datapath.putInside(session, inside, { mac });
  datapath.inject(inside, ethernet(60, 5), 0);
  assert.equal(run(datapath).sent.length, 1);
  const second = datapath.addHostPort("ethernet");
  assert.throws(() => datapath.putInside(session, second, { mac }), refusal("port-joined"));
  for (const wrong of [{ mac: v4 }, { mac, v4: mac }, { mac, v6: v4 }, { mac, vlan: 4096 }]) {
    assert.throws(() => datapath.putInside(session, second, wrong), refusal("invalid"));
  }
  datapath.removePort(session);
  datapath.inject(inside, ethernet(60, 5), 0);
  assert.equal(run(datapath).sent.length, 0);
  assert.deepEqual(moved(datapath.drops()), { "no-forwarder": 1 });
});

/** The ports that a frame from the one end is punted at at the other. */
function delivered(
  a: End,
  b: End,
  frame: Uint8Array,
): PortIx[] {
  const ports: PortIx[] = [];
  a.datapath.inject(a.host, frame, 0);
  const datagrams = run(a.datapath).sent.flatMap((sent) => sent.datagrams);
  const [from, to] = [addresses(a.kind)[a.side]!, addresses(b.kind)[b.side]!];
  arrive(b.datapath, b.socket, b.kind, datagrams, { from, to });
  run(b.datapath);
  b.datapath.drainPunts((punt) => {
    if (punt.kind === "frame") ports.push(punt.port);
  });
  return ports;
}
