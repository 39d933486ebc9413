import assert from "node:assert/strict";
import { frameMtu, headerBytes } from "./frame_mtu.ts";
import type { SessionConfig, TunnelConfig } from "../config/model.ts";

const tunnel = (changes: Partial<TunnelConfig>) =>
  ({
    version: 3,
    encap: "udp",
    remote: { address: "10.0.0.2", port: 1701 },
    ...changes,
  }) as TunnelConfig;
const session = (changes: Partial<SessionConfig> = {}) =>
  ({
    cookie: "",
    l2spec: "default",
    sendSeq: false,
    pseudowireType: 5,
    ...changes,
  }) as SessionConfig;
const v6 = { address: "fd77::2", port: 1701 };

Deno.test("headerBytes() counts what stands before a frame", () => {
  const cases: [Partial<TunnelConfig>, Partial<SessionConfig>, number][] = [
    [{}, {}, 20 + 8 + 8 + 4],
    [{ remote: v6 }, {}, 40 + 8 + 8 + 4],
    [{ encap: "ip" }, {}, 20 + 4 + 4],
    [{ encap: "ip", remote: v6 }, { l2spec: "none" }, 40 + 4],
    [{}, { cookie: "00112233" }, 20 + 8 + 8 + 4 + 4],
    [{}, { cookie: "0011223344556677", l2spec: "none" }, 20 + 8 + 8 + 8],
    [{ version: 2 }, { l2spec: "none" }, 20 + 8 + 8],
    [{ version: 2 }, { l2spec: "none", sendSeq: true }, 20 + 8 + 12],
  ];
  for (const [t, s, bytes] of cases) assert.equal(headerBytes(tunnel(t), session(s)), bytes);
});

Deno.test("frameMtu() is the path's MTU less the headers, unless the session sets its own", () => {
  assert.equal(frameMtu(tunnel({}), session(), 1500), 1460);
  assert.equal(frameMtu(tunnel({}), session(), undefined), 1460);
  assert.equal(frameMtu(tunnel({}), session(), 65536), 65535 - 40);
  assert.equal(frameMtu(tunnel({}), session(), 20), 0);
  assert.equal(frameMtu(tunnel({}), session({ mtu: 1500 }), 1500), 1514);
});
