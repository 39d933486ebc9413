import assert from "node:assert/strict";
import { exposedSecrets, holdsSecret } from "./exposed.ts";

Deno.test("holdsSecret() finds secrets in block and flow style, and nothing else", () => {
  for (
    const text of [
      "peers:\n  hq:\n    secret: hush\n",
      'peers: { hq: { "other-secret": "hush" } }\n',
      "admin: { listen: 127.0.0.1:1, token: abc }\n",
      "ppp: { password: x }\n",
    ]
  ) assert.ok(holdsSecret(text), text);
  for (
    const text of [
      "admin: { token-file: /etc/isthmus/token }\n",
      "# secret: hush\n",
      "peers: { hq: {} } # secret: hush\n",
      "tunnels: { secret: { peer: hq } }\n".replace("secret:", "secrets:"),
    ]
  ) assert.ok(!holdsSecret(text), text);
});

Deno.test("exposedSecrets() warns of what others can read, and of nothing that only the group can", () => {
  const modes: Record<string, number> = { "/c.yaml": 0o644, "/token": 0o604, "/fine": 0o640 };
  const modeOf = (path: string) => modes[path];
  assert.deepEqual(
    exposedSecrets("/c.yaml", "peers: { hq: { secret: x } }", [
      "/token",
      "/fine",
      "/token",
      "/gone",
    ], modeOf),
    [
      "/c.yaml: holds a secret and every user can read it; expected chmod o-r, or secrets in files of their own",
      "/token: holds a secret and every user can read it; expected chmod o-r",
    ],
  );
  assert.deepEqual(exposedSecrets("/c.yaml", "listen: []", [], modeOf), []);
});
