/** Requests made from the API's own description, by a program that nobody here wrote. @module */

import assert from "node:assert/strict";
import { run } from "./process.ts";

/** How long requests are made, in seconds. */
const SECONDS = Deno.env.get("ISTHMUS_SCHEMATHESIS_SECONDS") ?? "10";

/**
 * Where what fits the schemas may clash with what there is: then it says so by one of these, and never by 400 or 415. What
 * plugins take as options is theirs, and no part of the description.
 */
const settings = `
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 401, 403, 404, 409, 412, 413, 422, 503, 507]
`;

/** An endpoint: at an address, with a token, or a Unix socket. */
export type Endpoint =
  | { readonly at: string; readonly token: string }
  | { readonly socket: string };

/** Asserts that every answer is one that the description has, to all kinds of requests. */
export async function findNothing(endpoint: Endpoint): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "isthmus-interop-" });
  using bridge = "socket" in endpoint ? bridgeTo(endpoint.socket) : undefined;
  try {
    await Deno.writeTextFile(`${folder}/schemathesis.toml`, settings);
    const { code, stderr, stdout } = await run([
      // It reads its settings, and leaves a folder, where it is started.
      ...["sh", "-c", 'cd "$0" && exec "$@"', folder],
      ...[
        "schemathesis",
        "run",
        `http://${bridge?.at ?? (endpoint as { at: string }).at}/openapi.json`,
      ],
      ...["--checks", "all", "--phases", "examples,coverage,fuzzing,stateful"],
      ...["--continue-on-failure", "--max-time", SECONDS],
      ...("token" in endpoint ? ["-H", `Authorization: Bearer ${endpoint.token}`] : []),
      // Streams have no end.
      ...["--exclude-path-regex", "/v1/(events|trace)"],
    ], { timeoutMs: 300_000 });
    assert.equal(code, 0, stdout + stderr);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A port of this host through which a Unix socket is asked. */
function bridgeTo(path: string): Disposable & { readonly at: string } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const join = async (one: Deno.Conn) => {
    const other = await Deno.connect({ transport: "unix", path });
    await Promise.allSettled([
      one.readable.pipeTo(other.writable),
      other.readable.pipeTo(one.writable),
    ]);
  };
  void (async () => {
    for await (const connection of listener) join(connection).catch(() => {});
  })();
  return {
    at: `127.0.0.1:${(listener.addr as Deno.NetAddr).port}`,
    [Symbol.dispose]: () => listener.close(),
  };
}
