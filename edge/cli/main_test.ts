import assert from "node:assert/strict";
import type { SessionId } from "../../core/ids.ts";
import { checkedAdmin } from "../admin/promised.ts";
import { serveAdmin } from "../admin/serve.ts";
import { branchOffice, type MemoryAppliance, tapPlugin } from "../admin/testing.ts";
import { z } from "zod";
import type { Plugin } from "../../plugins/plugin.ts";
import { ConfigError } from "../config/problem.ts";
import type { Deps } from "./deps.ts";
import { main } from "./main.ts";

/** What a command printed and its exit status. */
interface Outcome {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** Runs one command line; `overrides` replace what it needs of the world. */
async function run(
  line: string | readonly string[],
  overrides: Partial<Deps> = {},
): Promise<Outcome> {
  let [out, err] = ["", ""];
  const status = await main(typeof line === "string" ? line.split(" ") : line, {
    version: "1.2.3",
    run: () => Promise.reject(new Error("not to be run")),
    check: () => Promise.reject(new Error("not to be checked")),
    readTextFile: Deno.readTextFile,
    exists: () => Promise.resolve(false),
    uid: () => 0,
    env: () => undefined,
    stdout: (text) => out += text,
    stderr: (text) => err += text,
    columns: () => undefined,
    sleep: () => Promise.resolve(false),
    create: () => assert.fail("nothing is to be written"),
    ...overrides,
  });
  return { status, out, err };
}

/** Runs command lines against a real admin endpoint over `api`. */
async function against(
  api: MemoryAppliance,
  work: (isthmus: (line: string, overrides?: Partial<Deps>) => Promise<Outcome>) => Promise<void>,
  plugins: readonly Plugin[] = [tapPlugin],
): Promise<void> {
  const app = checkedAdmin(api, {
    version: "1.2.3",
    plugins,
  });
  await using server = await serveAdmin({ listen: { host: "127.0.0.1", port: 0 } }, app);
  const env = (name: string) => name === "ISTHMUS_URL" ? server.url : undefined;
  await work((line, overrides) => run(line, { env, ...overrides }));
}

Deno.test("show tunnel and show session print tables", async () => {
  const api = await branchOffice();
  api.count("branch", "office", { "rx-packets": 1234567, "rx-bytes": 98, "tx-packets": 2 });
  await against(api, async (isthmus) => {
    assert.deepEqual(await isthmus("show tunnel -o wide"), {
      status: 0,
      out: "NAME    TUNNEL-ID  PEER-TUNNEL-ID  VERSION  ENCAP  LOCAL           REMOTE          " +
        "STATE  PEER  UPTIME  SESSIONS  RX-PACKETS  RX-BYTES  TX-PACKETS  TX-BYTES\n" +
        "branch          1               2        3  udp    10.77.0.1:1701  10.77.0.2:1701  " +
        "up     -     -              1     1234567        98           2         0\n",
      err: "",
    });
    assert.deepEqual(await isthmus("show session --output wide"), {
      status: 0,
      out: "TUNNEL  NAME    SESSION-ID  PEER-SESSION-ID  TYPE      STATUS  IFNAME    MTU  " +
        "RX-PACKETS  RX-BYTES  TX-PACKETS  TX-BYTES  MAC\n" +
        "branch  office          11               12  ethernet  up      office0  1446  " +
        "   1234567        98           2         0  02:00:00:00:00:01\n",
      err: "",
    });
  });
});

Deno.test("tables fit 80 columns unless more is asked for, and show what is asked for", async () => {
  const api = await branchOffice();
  await against(api, async (isthmus) => {
    for (const what of ["tunnel", "session", "failures", "down", "drops"]) {
      const { out } = await isthmus(`show ${what}`);
      for (const line of out.split("\n")) assert.ok(line.length <= 80, line);
    }
    assert.equal(
      (await isthmus("show tunnel -o state,NAME")).out,
      "STATE  NAME\nup     branch\n",
    );
    const wrong = await isthmus("show tunnel -o name,stat");
    assert.equal(wrong.status, 2);
    assert.match(wrong.err, /there is no column "stat"; did you mean "state"\?; expected wide, or/);
  });
});

Deno.test("a name picks one, and one that does not exist is exit status 1", async () => {
  const api = await branchOffice();
  api.peers = [];
  await against(api, async (isthmus) => {
    for (const line of ["tunnel branch", "tunnel 1", "session office", "session branch/office"]) {
      const { out, status } = await isthmus(`show ${line}`);
      assert.equal(status, 0, line);
      assert.equal(out.trim().split("\n").length, 2, line);
    }
    for (const what of ["tunnel", "session", "peer", "circuit"]) {
      const { err, out, status } = await isthmus(`show ${what} brunch`);
      assert.deepEqual([status, out], [1, ""], what);
      assert.match(err, new RegExp(`^isthmus: there is no ${what} brunch`));
    }
    assert.match((await isthmus("show tunnel brnch")).err, /did you mean "branch"\?/);
  });
});

Deno.test("--watch shows it again and again, in place on a terminal", async () => {
  await against(await branchOffice(), async (isthmus) => {
    const pauses: number[] = [];
    const sleep = (ms: number) => Promise.resolve(pauses.push(ms) < 3);
    const { out } = await isthmus("show tunnel --watch", { sleep });
    assert.equal(out.match(/^NAME/gm)?.length, 3);
    assert.deepEqual(pauses, [2000, 2000, 2000]);
    const drops = await isthmus("show drops -w 7", {
      columns: () => 80,
      sleep: (ms) => Promise.resolve(pauses.push(ms) < 5),
    });
    assert.equal(pauses.at(-1), 7000);
    assert.equal(drops.out.split("\x1b[H\x1b[2J").length, 3);
  });
});

Deno.test("events prints what happens, a line each", async () => {
  const api = await branchOffice();
  await against(api, async (isthmus) => {
    const lines: string[] = [];
    const seen = Promise.withResolvers<void>();
    const running = isthmus("events", {
      stdout(text) {
        lines.push(text);
        if (lines.length === 2) seen.resolve();
      },
    });
    while (!api.bus.listened) await new Promise((resolve) => setTimeout(resolve, 2));
    const common = { tunnel: "hq-5", peer: "hq", tunnelId: 5 };
    api.bus.publish({ type: "connection-state", ...common, state: "established" });
    api.bus.publish({ type: "plugin", name: "ppp-up", fields: { user: "a\u001b[31m" } });
    await seen.promise;
    api.bus[Symbol.dispose]();
    assert.equal((await running).status, 0);
    assert.match(lines[0]!, /^\d\d:\d\d:\d\d\.\d{3} hq-5 == established\n$/);
    assert.match(lines[1]!, /^\S+ ppp-up == \{"user":"a/);
    assert.ok(!lines[1]!.includes("\x1b"));
  });
});

Deno.test("version tells both versions", async () => {
  await against(await branchOffice(), async (isthmus) => {
    assert.equal((await isthmus("version")).out, "isthmus 1.2.3\nappliance 1.2.3\n");
  });
  const alone = await run("version", { env: () => "unix:/nowhere/admin.sock" });
  assert.deepEqual([alone.status, alone.out], [1, "isthmus 1.2.3\n"]);
});

Deno.test("bash completes commands, keywords and options", async () => {
  const script = (await run("completion bash")).out;
  const complete = async (line: string) => {
    const words = line.split(" ");
    const body = `${script}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")})\n` +
      `COMP_CWORD=${words.length - 1}\n_isthmus\nprintf '%s\\n' "\${COMPREPLY[@]}"\n`;
    const { stdout, success } = await new Deno.Command("bash", { args: ["-c", body] }).output();
    assert.ok(success);
    return new TextDecoder().decode(stdout).trim().split("\n");
  };
  assert.deepEqual(await complete("isthmus rel"), ["reload"]);
  assert.deepEqual(await complete("isthmus show tu"), ["tunnel"]);
  assert.ok((await complete("isthmus add session ")).includes("peer-session-id"));
  assert.ok((await complete("isthmus --json show session --d")).includes("--details"));
  assert.deepEqual(await complete("isthmus completion f"), ["fish"]);
});

Deno.test("the manual page is roff that groff has no complaint about, and names every command", async () => {
  const page = (await run("man")).out;
  for (const command of ["isthmus show tunnel", "isthmus add session", "isthmus trace"]) {
    assert.ok(page.includes(`.SS ${command}`), command);
  }
  for (const line of page.split("\n")) assert.ok(!/^'|^\.(?!TH|SH|SS|TP|B\b)/.test(line), line);
});

Deno.test("add, set, show and del work as ip l2tp users expect", async () => {
  const api = await branchOffice();
  await against(api, async (isthmus) => {
    const silent = { status: 0, out: "", err: "" };
    const add = "add tunnel tunnel_id 3 peer_tunnel_id 4 encap ip remote 10.77.0.3";
    assert.deepEqual(await isthmus(add), silent);
    assert.deepEqual(
      await isthmus("add session tunnel_id 3 session_id 31 peer_session_id 32 tap lab0 seq both"),
      silent,
    );
    const { config: { sessions: [session] } } = await api.tunnel("3");
    assert.deepEqual([session?.sendSeq, session?.recvSeq], [true, true]);
    assert.deepEqual(session?.circuit, { plugin: "tap", options: { name: "lab0" } });

    assert.deepEqual(await isthmus("set session tunnel-id 3 session-id 31 mtu 1300"), silent);
    const shown = await isthmus("show session tunnel-id 3 --json");
    const [json, ...others] = JSON.parse(shown.out);
    assert.deepEqual([json.mtu, json.name, others.length], [1300, "session-31", 0]);

    assert.deepEqual(await isthmus("set tunnel name tunnel-3 remote 10.77.0.9"), silent);
    assert.equal((await api.tunnel("3")).config.remote.address, "10.77.0.9");
    assert.deepEqual(await isthmus("del session tunnel-id 3 session-id 31"), silent);
    assert.deepEqual(await isthmus("del tunnel tunnel-id 3"), silent);
    assert.equal((await api.tunnels()).length, 1);
  });
});

Deno.test("set log changes what is logged, of all or of one tunnel or peer", async () => {
  const api = await branchOffice();
  await against(api, async (isthmus) => {
    const changed = async (line: string) => {
      api.edits.length = 0;
      const { err, status } = await isthmus(line);
      return [status, err, ...api.edits.map(({ path, value }) => [path.join("."), value])];
    };
    assert.deepEqual(await changed("set log level debug of hq"), [
      ...[0, "", ["log.levels.hq", "debug"]],
    ]);
    assert.deepEqual(await changed("set log level warn format json"), [
      ...[0, "", ["log.format", "json"], ["log.level", "warn"]],
    ]);
    for (const line of ["level none", "of hq", "", "level loud"]) {
      assert.equal((await changed(`set log ${line}`.trim()))[0], 2, line);
    }
  });
});

Deno.test("del session USER has PPP end the subscriber's sessions", async () => {
  const api = await branchOffice();
  const asked: unknown[] = [];
  api.run = (word, given) => Promise.resolve(asked.push(word, given) && {});
  await against(api, async (isthmus) => {
    assert.equal((await isthmus("del session alice@example")).status, 0);
  }, [{
    ...tapPlugin,
    name: "ppp",
    words: [{ word: "disconnect", help: "ends them", given: z.looseObject({}) }],
  }]);
  assert.deepEqual(asked, ["disconnect", { user: "alice@example" }]);
});

Deno.test("del takes --result, --error and --message where a peer is told, and not of a peer", async () => {
  await against(await branchOffice(), async (isthmus) => {
    const said = "--result 6 --error 2 --message later";
    assert.equal((await isthmus(`del session tunnel branch name office ${said}`)).status, 0);
    assert.equal((await isthmus(`del tunnel name branch ${said}`)).status, 0);
    const { err, status } = await isthmus("del peer name hq --result 6");
    assert.equal(status, 2);
    assert.match(err, /unknown option '--result'/);
  });
});

Deno.test("filters leave only what has all of them", async () => {
  const api = await branchOffice();
  await against(api, async (isthmus) => {
    await isthmus("add tunnel name north tunnel-id 5 peer-tunnel-id 6 remote 10.0.0.5");
    const names = async (line: string) =>
      JSON.parse((await isthmus(`${line} --json`)).out).map(({ name }: { name: string }) => name);
    assert.deepEqual(await names("show tunnel"), ["branch", "north"]);
    assert.deepEqual(await names("show tunnel name north"), ["north"]);
    assert.deepEqual(await names("show tunnel peer-tunnel-id 2"), ["branch"]);
    assert.deepEqual(await names("show tunnel tunnel-id 5 name branch"), []);
    assert.deepEqual(await names("show session peer-session-id 12"), ["office"]);
    assert.deepEqual(await names("show session tunnel north"), []);
    const missing = await isthmus("show session tunnel south");
    assert.deepEqual([missing.status, missing.err], [1, "isthmus: there is no tunnel south\n"]);
  });
});

Deno.test("show --details prints every attribute, show config what is in force", async () => {
  await against(await branchOffice(), async (isthmus) => {
    const { out } = await isthmus("show session name office --details");
    for (
      const line of ["session-id: 11", 'cookie: "0011223344556677"', "    name: office0"]
    ) assert.ok(out.split("\n").includes(line), out);
    assert.match((await isthmus("show config")).out, /^tunnels:\n {2}branch:\n {4}static:\n/m);
  });
});

Deno.test("show drops and show datapath print counters that are not 0, the largest first; all with --details", async () => {
  await against(await branchOffice(), async (isthmus) => {
    assert.equal(
      (await isthmus("show drops")).out,
      "REASON           FRAMES\nunknown-session       3\n",
    );
    assert.equal(
      (await isthmus("show drops --details")).out,
      "REASON           FRAMES\nunknown-session       3\nbad-version           0\n",
    );
    assert.equal((await isthmus("show datapath")).out, "COUNTER     VALUE\nrx-batches      7\n");
  });
});

Deno.test("show goes through all pages", async () => {
  const api = await branchOffice();
  const tunnel = await api.tunnel("branch");
  const [office] = tunnel.sessions;
  const sessions = Array.from({ length: 25_000 }, (_, i) => ({
    ...office!,
    config: { ...office!.config, name: `s${i}`, sessionId: i + 1 as SessionId },
  }));
  const many: MemoryAppliance = {
    ...api,
    sessionPage({ after, limit }) {
      const from = after?.id ?? 0;
      const items = sessions.slice(from, from + limit)
        .map((session) => ({ tunnel: tunnel.config, session }));
      const next = { tunnelId: tunnel.config.tunnelId, id: from + limit };
      return Promise.resolve({ items, ...(next.id < sessions.length && { next }) });
    },
  };
  await against(many, async (isthmus) => {
    assert.equal(JSON.parse((await isthmus("show session --json")).out).length, 25_000);
  });
});

/** What has been down since a fixed time: for how long, differs from run to run. */
const downTable = /DOWN +FOR +REASON\ntunnels\/new +\d+d\d\dh +the address is not there\n$/;

Deno.test("reload prints what it did", async () => {
  await against(await branchOffice(), async (isthmus) => {
    const { out } = await isthmus("reload");
    assert.equal(
      out.slice(0, out.indexOf("DOWN")),
      "STEP     PATH            WHY\n" +
        "added    tunnels/new     -\n" +
        "changed  tunnels/branch  remote\n" +
        "kept: 1\n\n",
    );
    assert.match(out, downTable);
  });
});

Deno.test("show down lists what cannot be had, for how long, and why", async () => {
  await against(await branchOffice(), async (isthmus) => {
    assert.match((await isthmus("show down")).out, downTable);
    assert.match(
      (await isthmus("show down -o wide")).out,
      /^DOWN +FOR +SINCE +REASON\n.*2023-11-14T22:13:20\.000Z/,
    );
  });
});

Deno.test("what the appliance refuses is exit status 1 and names every attribute", async () => {
  await against(await branchOffice(), async (isthmus) => {
    assert.deepEqual(
      await isthmus("add tunnel tunnel-id 9 remote 10.0.0.1 udp-sport 70000 udp-dport 0"),
      {
        status: 1,
        out: "",
        err: "isthmus: udp-sport: got 70000; expected a whole number from 1 to 65535\n" +
          "isthmus: udp-dport: got 0; expected a whole number from 1 to 65535\n",
      },
    );
    assert.equal(
      (await isthmus("del tunnel name south")).err,
      "isthmus: there is no tunnel south\n",
    );
  });
});

/** Command lines that are refused, and how each line about it begins. */
const refusedLines: readonly (readonly [string, ...string[]])[] = [
  ["add tunnel tunnel-id 9 peer-tunnel-id 9", "remote: missing"],
  ["add tunnel tunnel-id 9 peer-tunnel-id 9 remote 224.0.0.1", "remote: multicast"],
  ["add tunnel tunnel-id 9 peer-tunnel-id 9 remote ::", "remote: expected the address of one"],
  [
    "add tunnel tunnel-id 9 peer-tunnel-id 9 remote 10.0.0.1 local fd00::1",
    "local: the remote address is IPv4",
  ],
  [
    "add tunnel tunnel-id 9 peer-tunnel-id 9 remote 10.0.0.1 encap ip proto-version 2",
    "encap: L2TPv2 travels over udp only",
  ],
  [
    "add tunnel tunnel-id 9 peer-tunnel-id 9 remote 10.0.0.1 udp6-csum-tx off udp6-csum-rx off",
    "udp6-csum-tx: for IPv6 only; over IPv4, say udp-csum off",
    "udp6-csum-rx: for IPv6 only",
  ],
  [
    "add tunnel tunnel-id 9 peer-tunnel-id 9 remote fd00::1 udp-csum off",
    "udp-csum: for IPv4 only; over IPv6, say udp6-csum-tx off",
  ],
  ["set tunnel name branch remote 224.0.0.1", "remote: multicast"],
  ["set tunnel name branch encap ip", "encap: cannot be changed"],
  [
    "add session tunnel branch session-id 9 peer-session-id 9 seq both l2spec-type none",
    "seq: sequence numbers need l2spec-type default",
    "seq: sequence numbers need l2spec-type default",
  ],
  [
    "add session tunnel branch session-id 9 peer-session-id 9 tap t0 netns blue",
    "netns: unknown key",
  ],
  [
    "add session tunnel branch session-id 9 peer-session-id 9 pw-type ppp tap t0",
    "tap: tap carries ethernet",
  ],
  [
    "add session tunnel branch session-id 9 peer-session-id 9 circuit tap name t0 addresses [7]",
    "circuit tap: addresses[0]: ",
  ],
  [
    "add session tunnel branch session-id 9 peer-session-id 9 circuit tpa name t0",
    "circuit tpa: no such plugin",
  ],
  [
    "add session tunnel branch session-id 9 peer-session-id 9 pw-type ppp circuit tap name t0",
    "circuit tap: tap carries ethernet",
  ],
  ["set session tunnel branch name office seq both l2spec-type none", "seq: ", "seq: "],
  ["del session tunnel branch name office error 1", "error: needs a result, too"],
];

Deno.test("what is refused is named by the keyword that was typed", async () => {
  await against(await branchOffice(), async (isthmus) => {
    for (const [line, ...expected] of refusedLines) {
      const { err, status } = await isthmus(line);
      const lines = err.trimEnd().split("\n");
      assert.equal(status, 1, `${line}\n${err}`);
      assert.equal(lines.length, expected.length, `${line}\n${err}`);
      for (const [i, start] of expected.entries()) {
        assert.ok(lines[i]!.startsWith(`isthmus: ${start}`), `${line}\n${err}`);
      }
    }
  });
});

Deno.test("what a change of the file refuses is named by the keywords of a port, the log and a peer", async () => {
  const api = await branchOffice();
  const wrong = (path: string) =>
    new ConfigError([{ file: "f", line: 1, column: 1, path, message: "got 7; expected another" }]);
  const cases = [
    ["add port br0 p1 tag 7", "switches.br0.ports.p1.tag", "tag"],
    ["add port br0 p1 tag 7", "switches.br0.ports.p1", "port p1"],
    ["set log level debug of branch", "log.levels.branch", "of"],
    ["add peer hq tie-breaker on", "peers.hq.tie-breaker", "tie-breaker"],
    ["add tunnel name up peer hq encap ip remote 10.0.0.1", "tunnels.up.encap", "encap"],
  ] as const;
  for (const [line, path, word] of cases) {
    api.edit = () => Promise.reject(wrong(path));
    await against(api, async (isthmus) => {
      assert.equal((await isthmus(line)).err, `isthmus: ${word}: got 7; expected another\n`, line);
    });
  }
});

Deno.test("a value of do that is JSON says each key once", async () => {
  await against(await branchOffice(), async (isthmus) => {
    assert.deepEqual(await isthmus('do word given {"a":{"b":1,"b":2}}'), {
      status: 2,
      out: "",
      err: "isthmus: a.b: given twice; expected each key once\n",
    });
  });
});

Deno.test("the token comes from a file or the environment", async () => {
  const api = await branchOffice();
  api.admin = { ...api.admin, tokens: [{ name: "t", token: "s3cret" }] };
  await against(api, async (isthmus) => {
    const none = await isthmus("show tunnel");
    assert.equal(none.status, 1);
    assert.match(none.err, /--token-file/);
    const readTextFile = (path: string) =>
      path === "/t" ? Promise.resolve("s3cret\n") : Promise.reject(new Error("no such file"));
    assert.equal((await isthmus("show tunnel --token-file /t", { readTextFile })).status, 0);
    const missing = await isthmus("show tunnel --token-file /x", { readTextFile });
    assert.deepEqual([missing.status, missing.err], [
      1,
      "isthmus: cannot read the token: no such file\n",
    ]);
  });
  const app = checkedAdmin(api);
  await using server = await serveAdmin({ listen: { host: "127.0.0.1", port: 0 } }, app);
  const env = (name: string) => name === "ISTHMUS_TOKEN" ? "s3cret" : undefined;
  const { status } = await run(["--url", server.url, "show", "tunnel"], { env });
  assert.equal(status, 0);
});

Deno.test("the endpoint may be a Unix socket", async () => {
  const directory = await Deno.makeTempDir({ prefix: "isthmus-cli-" });
  try {
    const path = `${directory}/admin.sock`;
    const absent = await run(`--url unix:${path} show tunnel`);
    assert.equal(absent.status, 1);
    assert.match(absent.err, /there is no such socket; does it run\?/);
    const app = checkedAdmin(await branchOffice());
    await using _server = await serveAdmin({ listen: { path } }, app);
    const { status, out } = await run(`show tunnel --url unix:${path}`);
    assert.equal(status, 0);
    assert.match(out, /^branch/m);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("an endpoint that does not answer is said so in one line", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const { status, err } = await run(`--url http://127.0.0.1:${port} show tunnel`);
  assert.equal(status, 1);
  assert.equal(
    err,
    `isthmus: cannot reach isthmus at http://127.0.0.1:${port}: ` +
      "connection refused; does it run there? (--url, ISTHMUS_URL)\n",
  );
  for (const url of ["ftp://x", "unix:relative", "127.0.0.1:8701", ""]) {
    assert.equal((await run(["--url", url, "reload"])).status, 2, url);
  }
});

Deno.test("wrong words are exit status 2 before anything is asked", async () => {
  for (
    const [line, message] of [
      ["shw tunnel", /unknown command 'shw'\n\(Did you mean show\?\)/],
      ["show tunnels", /Did you mean tunnel\?/],
      ["add tunnel tunel-id 1", /unknown keyword "tunel-id"; did you mean "tunnel-id"\?/],
      ["show session colour red", /unknown keyword "colour"; expected one of tunnel-id, tunnel,/],
      ["run --conf x", /unknown option '--conf'/],
      ["show", /Usage: isthmus show/],
      ["check", /neither .* exists; expected a file's name/],
      ["reload now", /too many arguments/],
    ] as const
  ) {
    const { status, out, err } = await run(line);
    assert.deepEqual([status, out], [2, ""], line);
    assert.match(err, message);
    assert.ok(!err.includes(".ts:"), "no stack traces");
  }
});

Deno.test("--help and --version are for every command and go to standard output", async () => {
  assert.deepEqual(await run("--version"), { status: 0, out: "1.2.3\n", err: "" });
  for (
    const command of [
      "run",
      "check",
      "show",
      "show tunnel",
      "show session",
      "show config",
      "show drops",
      "show datapath",
      "add",
      "add tunnel",
      "add session",
      "set tunnel",
      "set session",
      "del tunnel",
      "del session",
      "reload",
    ]
  ) {
    const { status, out, err } = await run(`${command} --help`);
    assert.deepEqual([status, err], [0, ""], command);
    assert.ok(out.startsWith(`Usage: isthmus ${command}`), out);
  }
});

Deno.test("check prints every problem with its place, exit status 2", async () => {
  const fine = await run("check a.yaml", { check: () => Promise.resolve([]) });
  assert.deepEqual(fine, { status: 0, out: "a.yaml: no problems\n", err: "" });
  const same = await run("check --config a.yaml", { check: () => Promise.resolve([]) });
  assert.deepEqual(same, fine);
  const problem = { file: "a.yaml", line: 3, column: 5, path: "listen[0].udp", message: "wrong" };
  const check = () => Promise.reject(new ConfigError([problem, { ...problem, line: 9, path: "" }]));
  assert.deepEqual(await run("check a.yaml", { check }), {
    status: 2,
    out: "",
    err: "a.yaml:3:5: listen[0].udp: wrong\na.yaml:9:5: wrong\n",
  });
});

Deno.test("run takes --config, or the first usual file that exists", async () => {
  const started: string[] = [];
  const start = (path: string) => (started.push(path), Promise.resolve(7));
  assert.equal((await run("run --config x.yaml", { run: start })).status, 7);
  const exists = (path: string) => Promise.resolve(path.startsWith("/etc"));
  await run("run", { run: start, exists });
  assert.deepEqual(started, ["x.yaml", "/etc/isthmus/isthmus.yaml"]);
  const none = await run("run", { run: start });
  assert.deepEqual([none.status, started.length], [2, 2]);
  const crash = await run("run --config x", { run: () => Promise.reject(new Error("no libc")) });
  assert.deepEqual(crash, { status: 1, out: "", err: "isthmus: no libc\n" });
});

Deno.test("trace prints what comes and goes, as text, JSON or a capture file", async () => {
  const api = await branchOffice();
  const path = {
    encap: "udp",
    local: "10.0.0.1",
    remote: { address: "10.0.0.2", port: 1701 },
    mark: 0,
    socket: 1,
  } as const;
  // HELLO, then what is no message at all.
  const hello = Uint8Array.fromHex("c80200140001000000050006" + "8008000000000006");
  const passing = async (line: string, overrides?: Partial<Deps>) => {
    let outcome: Outcome | undefined;
    await against(api, async (isthmus) => {
      const running = isthmus(line, overrides);
      while (!api.tracer.watched) await new Promise((resolve) => setTimeout(resolve, 2));
      api.tracer.sent(hello, path);
      api.tracer.received(Uint8Array.of(1, 2, 3), path, () => {});
      outcome = await running;
    });
    while (api.tracer.watched) await new Promise((resolve) => setTimeout(resolve, 2));
    return outcome!;
  };
  const { out, status } = await passing("trace --count 2");
  assert.equal(status, 0);
  assert.match(
    out,
    /^\d\d:\d\d:\d\d\.\d{3} - -> 10\.0\.0\.2:1701 HELLO v2 id 1 Ns 5 Nr 6\n\S+ - <- 10\.0\.0\.2:1701 unreadable\n$/,
  );
  const lines = (await passing("trace 10.0.0.2 --json --count 2")).out.trim().split("\n");
  assert.deepEqual(lines.map((line) => JSON.parse(line).octets), [hello.toHex(), "010203"]);
  const written: Uint8Array[] = [];
  const create = (file: string) => {
    assert.equal(file, "f.pcapng");
    return (bytes: Uint8Array) => void written.push(bytes);
  };
  assert.equal((await passing("trace --count 1 --pcapng f.pcapng", { create })).out, "");
  const file = Uint8Array.from(written.flatMap((piece) => [...piece]));
  assert.equal(file.subarray(0, 4).toHex(), "0a0d0d0a");
  assert.ok(file.toHex().includes("450000304000".slice(0, 8)), "no IPv4 packet");
  assert.ok(file.toHex().includes("0a0000010a00000206a506a5001c"), "not from here to there");
  assert.ok(file.toHex().includes(hello.toHex()));
  assert.equal((await run("trace --count 0")).status, 2);
});
