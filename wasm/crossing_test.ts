import assert from "node:assert/strict";
import {
  type PortIx,
  type SessionSpec,
  type SocketKind,
  type TunnelSpec,
  WasmDatapath,
} from "./mod.ts";
import { arrive, concat, findControl, hex, run } from "./testing_kernel.ts";
import {
  addresses,
  cross,
  drainFrames,
  ethernet,
  kinds,
  makeEnd,
  moved,
  refusal,
  sessionSpec,
  tunnelSpec,
} from "./testing_ends.ts";

Deno.test("frames cross in every encapsulation, cookie, sublayer and numbering", () => {
  for (const kind of kinds) {
    for (const cookieLength of [0, 4, 8]) {
      for (const l2spec of ["none", "default"] as const) {
        for (const seq of [false, true]) {
          const [mine, theirs] = [hex("0011223344556677"), hex("8899aabbccddeeff")];
          const common = { l2spec, sendSeq: seq, recvSeq: seq && l2spec === "default" };
          const cookies = [mine.slice(0, cookieLength), theirs.slice(0, cookieLength)] as const;
          using a = makeEnd(kind, 0, { ...common, cookie: cookies[0], peerCookie: cookies[1] });
          using b = makeEnd(kind, 1, { ...common, cookie: cookies[1], peerCookie: cookies[0] });
          const what = `${kind} cookie ${cookieLength} l2spec ${l2spec} seq ${seq}`;
          const frames = [60, 1514, 1514, 14, 9014].map(ethernet);
          assert.deepEqual(cross(a, b, frames), frames, what);
          assert.deepEqual(cross(b, a, frames), frames, what);
          const bytes = frames.reduce((sum, frame) => sum + frame.length, 0);
          const expected = {
            "tx-packets": 5,
            "tx-bytes": bytes,
            "rx-packets": 5,
            "rx-bytes": bytes,
          };
          for (const end of [a, b]) {
            assert.deepEqual(moved(end.datapath.sessionCounters(end.session)), expected, what);
            assert.deepEqual(moved(end.datapath.tunnelCounters(end.tunnel)), expected, what);
            assert.deepEqual(moved(end.datapath.drops()), {}, what);
          }
        }
      }
    }
  }
});

Deno.test("each direction has the sublayer that its receiver wants", () => {
  const frames = [60, 1514].map(ethernet);
  for (const kind of kinds) {
    for (const sendSeq of [false, true]) {
      using a = makeEnd(kind, 0, { l2spec: "default", peerL2spec: "none", sendSeq });
      using b = makeEnd(kind, 1, { l2spec: "none", peerL2spec: "default", recvSeq: sendSeq });
      for (const [from, to] of [[a, b], [b, a]] as const) {
        assert.deepEqual(cross(from, to, frames), frames, `${kind} ${sendSeq}`);
      }
      a.datapath.changeSession(a.session, {
        l2spec: "none",
        peerL2spec: "default",
        sendSeq: false,
      });
      b.datapath.changeSession(b.session, {
        l2spec: "default",
        peerL2spec: "none",
        recvSeq: false,
      });
      assert.deepEqual(cross(a, b, frames), frames, `${kind} the other way round`);
      assert.deepEqual(cross(b, a, frames), frames, `${kind} the other way round`);
    }
  }
});

Deno.test("frames cross a v2 tunnel, numbered and not", () => {
  for (const kind of ["udp4", "udp6"] as const) {
    for (const sendSeq of [false, true]) {
      const spec = { frameType: "ppp", sendSeq } as const;
      using a = makeEnd(kind, 0, spec, { version: 2 });
      using b = makeEnd(kind, 1, spec, { version: 2 });
      const frames = [hex("ff03c021 0101 0004"), ethernet(1500)];
      assert.deepEqual(cross(a, b, frames), frames);
    }
  }
});

Deno.test("the headers are those of RFC 2661 §3.1 and RFC 3931 §4.1", () => {
  const frame = ethernet(14);
  const headerOf = (
    kind: SocketKind,
    spec: Partial<SessionSpec>,
    tunnel: Partial<TunnelSpec> = {},
  ) => {
    using end = makeEnd(kind, 0, spec, tunnel);
    for (let i = 0; i < 3; i++) end.datapath.inject(end.host, frame, 0);
    const datagrams = run(end.datapath).sent.flatMap((sent) => sent.datagrams);
    return datagrams[2]!.slice(0, -frame.length).toHex();
  };
  const cookie = hex("0011223344556677");
  assert.equal(headerOf("udp4", {}, { version: 2 }), "0002" + "0002" + "000c");
  assert.equal(
    headerOf("udp4", { sendSeq: true }, { version: 2 }),
    "0802" + "0002" + "000c" + "0002" + "0000",
  );
  assert.equal(headerOf("udp4", {}), "00030000" + "0000000c");
  assert.equal(
    headerOf("udp6", { cookie, l2spec: "default", sendSeq: true }),
    "00030000" + "0000000c" + "0011223344556677" + "40000002",
  );
  assert.equal(
    headerOf("ip4", { cookie: cookie.slice(0, 4), l2spec: "default" }),
    "0000000c" + "00112233" + "00000000",
  );
  assert.equal(headerOf("ip6", { sendSeq: true }), "0000000c");
});

Deno.test("messages go to the peer from the set source", () => {
  for (const kind of kinds) {
    using end = makeEnd(kind, 0);
    end.datapath.inject(end.host, ethernet(60), 0);
    const [sent] = run(end.datapath).sent;
    const [local, remote] = addresses(kind);
    const port = kind.startsWith("udp") ? "06a5" : "0000";
    assert.equal(sent!.fd, 10);
    if (kind.endsWith("4")) {
      assert.equal(sent!.name.toHex(), "0200" + port + remote.toHex() + "0000000000000000");
      assert.deepEqual(findControl(sent!.control, 0, 8)!.slice(4, 8), local);
    } else {
      assert.equal(sent!.name.toHex(), "0a00" + port + "00000000" + remote.toHex() + "00000000");
      assert.deepEqual(findControl(sent!.control, 41, 50)!.slice(0, 16), local);
    }
  }
});

Deno.test("receiveDatagrams() takes a GRO super-datagram apart", () => {
  using a = makeEnd("udp4", 0);
  using b = makeEnd("udp4", 1);
  const frames = Array.from({ length: 40 }, (_, i) => ethernet(i === 39 ? 500 : 1400, i));
  assert.deepEqual(cross(a, b, frames, true), frames);
  assert.equal(a.datapath.io()["tx-messages"], 1);
  assert.equal(a.datapath.io()["tx-segments"], 40);
  assert.equal(b.datapath.io()["rx-datagrams"], 40);
  assert.equal(b.datapath.io()["rx-gro-datagrams"], 1);
});

Deno.test("segment: false and protocol 115 keep frames in messages of their own", () => {
  for (const [kind, segment] of [["udp4", false], ["ip4", true], ["ip6", true]] as const) {
    using end = makeEnd(kind, 0, {}, { segment });
    for (let i = 0; i < 5; i++) end.datapath.inject(end.host, ethernet(60), 0);
    assert.equal(run(end.datapath).sent.length, 5, kind);
  }
});

Deno.test("control messages are punted with both addresses and sent back", () => {
  const message = hex("c803000c 00000000 00000000");
  for (const kind of kinds) {
    using end = makeEnd(kind, 0);
    const { datapath, socket } = end;
    const [to, from] = addresses(kind);
    const ip = kind.startsWith("ip");
    arrive(datapath, socket, kind, [ip ? concat(hex("00000000"), message) : message], {
      from,
      to,
      port: 5000,
    });
    run(datapath);
    const count = datapath.drainPunts((punt) => {
      assert(punt.kind === "control");
      assert.equal(punt.socket, socket);
      assert.deepEqual(punt.remote.address, from);
      assert.equal(punt.remote.port, ip ? 0 : 5000);
      assert.deepEqual(punt.local, to);
      assert.deepEqual(punt.data, message);
    });
    assert.equal(count, 1);
    assert.equal(datapath.drainPunts(() => assert.fail()), 0);

    assert(datapath.sendControl(socket, { address: from, port: 5000 }, to, message));
    const [sent] = run(datapath).sent;
    assert.deepEqual(sent!.datagrams, [ip ? concat(hex("00000000"), message) : message]);
    assert.equal(datapath.io()["tx-control"], 1);
  }
});

Deno.test("a raw IPv4 socket's own header tells the local address", () => {
  using end = makeEnd("ip4", 0);
  const [to, from] = addresses("ip4");
  const message = hex("00000000 c803000c 00000000 00000000");
  arrive(end.datapath, end.socket, "ip4", [message], { from, to });
  run(end.datapath);
  end.datapath.drainPunts((punt) => assert.deepEqual(punt.kind === "control" && punt.local, to));
});

Deno.test("two tunnels' sessions of one v3 id are told apart by socket and peer", () => {
  const datapath = new WasmDatapath();
  const sockets = [datapath.addSocket(1, "udp4"), datapath.addSocket(2, "udp4")] as const;
  const peers = [hex("0a000001"), hex("0a000002")] as const;
  const hosts = new Map<PortIx, string>();
  let tunnelId = 0;
  const sessions: PortIx[] = [];
  for (const [s, socket] of sockets.entries()) {
    for (const [p, address] of peers.entries()) {
      tunnelId++;
      const spec = { tunnelId, peerTunnelId: tunnelId, remote: { address, port: 1701 } };
      const tunnel = datapath.addTunnel(
        tunnelSpec("udp4", socket, 0, { ...spec, sourceCheck: "none" }),
      );
      const session = datapath.addSession(tunnel, sessionSpec());
      const host = datapath.addHostPort("ethernet");
      datapath.crossConnect(session, host);
      hosts.set(host, `${s}${p}`);
      sessions.push(session);
      assert.throws(() => datapath.addSession(tunnel, sessionSpec()), refusal("session-exists"));
    }
  }
  const data = concat(hex("0003 0000 0000000b"), ethernet(60));
  const reached = (s: 0 | 1, p: 0 | 1): string[] => {
    arrive(datapath, sockets[s], "udp4", [data], { from: peers[p] });
    run(datapath);
    const names: string[] = [];
    datapath.drainPunts((punt) => names.push(punt.kind === "frame" ? hosts.get(punt.port)! : "?"));
    return names;
  };
  for (const s of [0, 1] as const) {
    for (const p of [0, 1] as const) assert.deepEqual(reached(s, p), [`${s}${p}`]);
  }
  datapath.removePort(sessions[0]!);
  assert.deepEqual(reached(0, 0), []);
  assert.deepEqual(reached(1, 1), ["11"]);
  datapath.removePort(sessions[2]!);
  datapath.removePort(sessions[3]!);
  assert.deepEqual(reached(0, 1), ["01"], "the last one of its id takes all, as in the kernel");
  assert.deepEqual(reached(1, 1), ["01"]);
  datapath.free();
});

Deno.test("frames cross from v2 to v3 (multihop)", () => {
  using a = makeEnd("udp4", 0, { frameType: "ppp" }, { version: 2 });
  using b = makeEnd("udp6", 1, {
    frameType: "ppp",
    sessionId: 77,
    peerSessionId: 78,
    cookie: hex("01020304"),
  });
  const middle = new WasmDatapath();
  const [four, six] = [middle.addSocket(1, "udp4"), middle.addSocket(2, "udp6")];
  const in2 = middle.addTunnel(tunnelSpec("udp4", four, 1, { version: 2 }));
  const out3 = middle.addTunnel(tunnelSpec("udp6", six, 0, { peerTunnelId: 2 }));
  const left = middle.addSession(
    in2,
    sessionSpec({ sessionId: 12, peerSessionId: 11, frameType: "ppp" }),
  );
  const right = middle.addSession(
    out3,
    sessionSpec({
      sessionId: 78,
      peerSessionId: 77,
      frameType: "ppp",
      peerCookie: hex("01020304"),
    }),
  );
  middle.crossConnect(left, right);
  const frames = [hex("ff03 0021 45"), ethernet(1400), ethernet(1400)];
  for (const frame of frames) a.datapath.inject(a.host, frame, 0);
  const inner = run(a.datapath).sent.flatMap((sent) => sent.datagrams);
  arrive(middle, four, "udp4", inner, { from: addresses("udp4")[0] });
  const outer = run(middle).sent.flatMap((sent) => sent.datagrams);
  arrive(b.datapath, b.socket, "udp6", outer, { from: addresses("udp6")[0] });
  run(b.datapath);
  assert.deepEqual(drainFrames(b), frames);
  middle.free();
});

Deno.test("frames cross between a device and a session", () => {
  using end = makeEnd("udp4", 0);
  const { datapath, session, socket } = end;
  const device = datapath.addDevice(99, "ethernet");
  assert.throws(() => datapath.crossConnect(session, device), refusal("port-joined"));
  datapath.disconnect(session);
  datapath.crossConnect(session, device);
  const frames = [ethernet(60), ethernet(1514)];
  for (const [i, frame] of frames.entries()) {
    new Uint8Array(datapath.memory.buffer).set(frame, datapath.layout.rxSlots[i]!);
    new DataView(datapath.memory.buffer).setInt32(
      datapath.layout.rxLengths + 4 * i,
      frame.length,
      true,
    );
  }
  datapath.receiveFrames(device, frames.length, 0);
  const sent = run(datapath).sent.flatMap((message) => message.datagrams);
  assert.deepEqual(sent.map((bytes) => bytes.slice(8)), frames);
  arrive(
    datapath,
    socket,
    "udp4",
    frames.map((frame) => concat(hex("0003 0000 0000000b"), frame)),
    {
      from: addresses("udp4")[1],
    },
  );
  assert.deepEqual(run(datapath).written, frames.map((frame) => ({ fd: 99, frame })));
});
