import assert from "node:assert/strict";
import { describeConfig } from "./describe.ts";
import { goodText, parse } from "./testing.ts";

Deno.test("describeConfig() shows the file's shape with all defaults, and hides secrets", () => {
  const text = goodText.replace('"127.0.0.1:8701"', '"[::]:8701", token: abcdef');
  const shown = describeConfig(parse(text));
  assert.ok(!/abcdef|correct-horse/.test(JSON.stringify(shown)));
  assert.deepEqual(shown, {
    listen: [{ udp: "0.0.0.0:1701" }, { ip: "0.0.0.0" }, { udp: "[::]:1701" }, { ip: "::" }],
    admin: { listen: "[::]:8701", token: "<hidden>" },
    log: { level: "debug", format: "json" },
    tunnels: {
      branch: {
        static: { "tunnel-id": 1, "peer-tunnel-id": 2 },
        "proto-version": 3,
        encap: "udp",
        local: "10.77.0.1:1701",
        remote: "10.77.0.2:1701",
        "udp-csum": true,
        "udp-zero-csum6-tx": false,
        "udp-zero-csum6-rx": false,
        sessions: {
          office: {
            "session-id": 11,
            "peer-session-id": 12,
            "pw-type": "ethernet",
            "l2spec-type": "default",
            cookie: "0011223344556677",
            "peer-cookie": "8899aabbccddeeff",
            seq: "both",
            "lns-mode": false,
            "reorder-timeout": 0,
            mtu: 1400,
            circuit: { tap: { name: "office0", addresses: ["192.168.7.1/24"] } },
          },
        },
      },
      old: {
        static: { "tunnel-id": 17, "peer-tunnel-id": 2 },
        "proto-version": 2,
        encap: "udp",
        local: "[::]:1701",
        remote: "[fd77::2]:1701",
        "udp-csum": true,
        "udp-zero-csum6-tx": false,
        "udp-zero-csum6-rx": false,
        sessions: {
          dial: {
            "session-id": 11,
            "peer-session-id": 12,
            "pw-type": "ppp",
            "l2spec-type": "none",
            cookie: "",
            "peer-cookie": "",
            seq: "none",
            "lns-mode": true,
            "reorder-timeout": 50,
            circuit: { "ppp-login": { user: "ann", password: "<hidden>", retries: 3 } },
          },
        },
      },
    },
  });
});
