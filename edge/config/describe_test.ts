import assert from "node:assert/strict";
import { describeConfig } from "./describe.ts";
import { goodText, parse } from "./testing.ts";

Deno.test("describeConfig() shows the file's shape with all defaults, and hides secrets", () => {
  const text = goodText.replace('"127.0.0.1:8701"', '"[::]:8701", token: abcdef');
  const shown = describeConfig(parse(text));
  assert.ok(!/abcdef|correct-horse|staple/.test(JSON.stringify(shown)));
  assert.deepEqual(shown, {
    listen: [{ udp: "0.0.0.0:1701" }, { ip: "0.0.0.0" }, { udp: "[::]:1701" }, { ip: "::" }],
    admin: { listen: "[::]:8701", token: "<hidden>" },
    log: { level: "debug", format: "json" },
    "host-name": "edge1.example",
    "router-id": "10.77.0.1",
    peers: {
      hq: {
        "proto-version": 3,
        address: ["10.77.0.2", "10.77.0.0/16"],
        "host-name": "hq-*",
        secret: "<hidden>",
        "other-secret": "<hidden>",
        digest: "sha1",
        "hide-avps": true,
        "tie-breaker": true,
        hello: 2.5,
        "receive-window": 128,
        retransmit: 1,
        "retransmit-cap": 8,
        attempts: 10,
        "establish-timeout": 30,
        "call-timeout": 60,
        "session-limit": 1000,
        "tunnel-limit": 100,
        accept: [
          {
            name: "office*",
            "pw-type": "ethernet",
            "cookie-size": 4,
            "l2spec-type": "default",
            seq: "none",
            "reorder-timeout": 0,
            circuit: { tap: { name: "office1" } },
          },
          {
            name: "*",
            "pw-type": "ppp",
            "cookie-size": 8,
            "l2spec-type": "default",
            seq: "none",
            "reorder-timeout": 0,
          },
        ],
      },
      lac: {
        "proto-version": 2,
        "hide-avps": false,
        "tie-breaker": false,
        hello: 60,
        "receive-window": 128,
        retransmit: 1,
        "retransmit-cap": 8,
        attempts: 5,
        "establish-timeout": 30,
        "call-timeout": 60,
        "session-limit": 1000,
        "tunnel-limit": 100,
        accept: [],
      },
    },
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
      "to-hq": {
        peer: "hq",
        mode: "on-demand",
        encap: "udp",
        local: "10.77.0.1:0",
        remote: [
          { address: "10.77.0.2:1701", preference: 1, weight: 2 },
          { address: "10.77.9.9:1702", preference: 5, weight: 1 },
        ],
        sessions: {
          shop: {
            "remote-end-id": "shop-7",
            "pw-type": "ethernet",
            "cookie-size": 8,
            "l2spec-type": "default",
            seq: "send",
            "reorder-timeout": 0,
            circuit: { tap: { name: "shop0" } },
          },
        },
      },
      dialed: { peer: "lac", mode: "passive", encap: "udp", local: "0.0.0.0", sessions: {} },
    },
  });
});
