import assert from "node:assert/strict";
import {
  cross,
  ethernet,
  makeEnd,
  moved,
  refusal,
  sessionSpec,
  tunnelSpec,
} from "./testing_ends.ts";
import { type SessionPolicy, WasmDatapath } from "./mod.ts";

/** What of these frames passes from one end to the other, where the far end's session has a policy. */
function passed(policy: SessionPolicy, frames: readonly Uint8Array[]): readonly Uint8Array[] {
  using a = makeEnd("udp4", 0);
  using b = makeEnd("udp4", 1, { policy });
  return cross(a, b, frames);
}

Deno.test("a session's policy limits what comes from its peer, and what goes to it", () => {
  const frames = Array.from({ length: 10 }, (_, i) => ethernet(1000, i));
  assert.equal(passed({}, frames).length, 10);
  assert.equal(passed({ rateLimit: { rx: 1, burst: 3000 } }, frames).length, 3);
  assert.equal(passed({ rateLimit: { tx: 1, burst: 3000 } }, frames).length, 10);
  using a = makeEnd("udp4", 0, { policy: { rateLimit: { tx: 1, burst: 4000 } } });
  using b = makeEnd("udp4", 1);
  assert.equal(cross(a, b, frames).length, 4);
  assert.deepEqual(moved(a.datapath.drops()), { "rate-limited": 6 });
  assert.equal(a.datapath.sessionCounters(a.session)["tx-errors"], 6);
});

Deno.test("a session's policy says who its peer may be", () => {
  const frames = [ethernet(60), ethernet(60, 1)];
  const mac = frames[1]!.slice(6, 12);
  assert.deepEqual(passed({ source: { mac } }, frames), [frames[1]]);
});

Deno.test("a policy changes while the session runs, and goes again", () => {
  using a = makeEnd("udp4", 0);
  using b = makeEnd("udp4", 1);
  const frames = Array.from({ length: 5 }, (_, i) => ethernet(1000, i));
  b.datapath.changeSession(b.session, { policy: { rateLimit: { rx: 1, burst: 2000 } } });
  assert.equal(cross(a, b, frames).length, 2);
  b.datapath.changeSession(b.session, { sendSeq: false });
  assert.equal(cross(a, b, frames).length, 0, "what is not given stays");
  b.datapath.changeSession(b.session, { policy: {} });
  assert.equal(cross(a, b, frames).length, 5);
});

Deno.test("a policy that cannot be is refused, and changes nothing", () => {
  const datapath = new WasmDatapath();
  const tunnel = datapath.addTunnel(tunnelSpec("udp4", datapath.addSocket(3, "udp4"), 0));
  const bad: SessionPolicy[] = [
    { source: { mac: new Uint8Array(5) } },
    { source: { v4: new Uint8Array(16) } },
    { source: { v6: { prefix: new Uint8Array(4), bits: 64 } } },
    { source: { v6: { prefix: new Uint8Array(16), bits: 129 } } },
    { rateLimit: { rx: -1, burst: 1 } },
    { rateLimit: { tx: 2 ** 32, burst: 1 } },
  ];
  for (const policy of bad) {
    assert.throws(() => datapath.addSession(tunnel, sessionSpec({ policy })), refusal("invalid"));
  }
  const session = datapath.addSession(tunnel, sessionSpec());
  for (const policy of bad) {
    assert.throws(() => datapath.changeSession(session, { policy }), refusal("invalid"));
  }
  datapath.removePort(session);
  datapath.removeTunnel(tunnel);
  datapath.free();
});

Deno.test("an address and control field is put before frames, taken off, or left as it is", () => {
  using a = makeEnd("udp4", 0, { addressControl: "add" });
  using b = makeEnd("udp4", 1);
  const bare = ethernet(60);
  const framed = Uint8Array.of(0xff, 0x03, ...bare);
  assert.deepEqual(cross(a, b, [bare, framed]), [framed, framed]);
  a.datapath.changeSession(a.session, { addressControl: "strip" });
  assert.deepEqual(cross(a, b, [bare, framed]), [bare, bare]);
  a.datapath.changeSession(a.session, { addressControl: "keep" });
  assert.deepEqual(cross(a, b, [bare, framed]), [bare, framed]);
});
