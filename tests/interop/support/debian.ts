/** A Debian of our own: a tree from debootstrap, whose systemd is PID 1 of namespaces, and commands in it. @module */

import { type Outcome, output, run, until } from "./process.ts";

/** What a machine must have for it. */
export const debianNeeds = ["root", "debootstrap", "script", "nsenter"] as const;

const root = new URL("../../../", import.meta.url).pathname;
const packages = "systemd,systemd-sysv,dbus,iproute2,iputils-ping";

/** A tree. Disposal removes it. */
export interface Tree extends AsyncDisposable {
  readonly path: string;
  /** Runs a command in it, as root, while it is not booted. */
  chroot(...argv: string[]): Promise<string>;
}

/** Makes a tree; half a minute and 250 MB. */
export async function makeTree(): Promise<Tree> {
  const path = await Deno.makeTempDir({ prefix: "isthmus-tree-" });
  await Deno.chmod(path, 0o755); // Its root folder, which other users must be able to enter.
  const args = ["--variant=minbase", `--include=${packages}`, "bookworm", path];
  await output(["debootstrap", ...args, "http://deb.debian.org/debian"], { timeoutMs: 700_000 });
  // It would hang up the console that we hold.
  await Deno.symlink("/dev/null", `${path}/etc/systemd/system/console-getty.service`);
  // Without one it is a first boot, which asks questions.
  await Deno.writeTextFile(
    `${path}/etc/machine-id`,
    `${crypto.randomUUID().replaceAll("-", "")}\n`,
  );
  return {
    path,
    chroot: (...argv) => output(["chroot", path, ...argv]),
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

/** Copies the program and Deno where the install chapter has them. */
export async function provideProgram({ path }: Tree): Promise<void> {
  const deno = await Deno.realPath(Deno.execPath());
  await output(["install", "-m", "0755", deno, `${path}/usr/local/bin/deno`]);
  const folder = `${path}/opt/isthmus`;
  await Deno.mkdir(folder, { recursive: true });
  const parts = "bin core edge plugins wasm docs deno.json deno.lock".split(" ");
  const files = await output([
    "git",
    "-C",
    root,
    "ls-files",
    "-co",
    "--exclude-standard",
    ...parts,
  ]);
  const archive = `${path}/program.tar`;
  await output(["tar", "-C", root, "-cf", archive, "-T", "-"], { stdin: files });
  await output(["tar", "-C", folder, "-xf", archive]);
  await Deno.remove(archive);
}

/** A tree whose systemd runs. Disposal powers it off. */
export interface Booted extends AsyncDisposable {
  /** Runs a line of sh in it, as root; however it ends. */
  attempt(line: string, timeoutMs?: number): Promise<Outcome>;
  /** The same; it has to succeed, and gives what it printed. */
  sh(line: string, timeoutMs?: number): Promise<string>;
}

/** Boots a tree. */
export async function boot({ path }: Tree): Promise<Booted> {
  const script = new URL("boot.sh", import.meta.url).pathname;
  const name = `isthmus-test-${Deno.pid}`;
  const child = new Deno.Command("script", {
    args: ["-qfec", `sh ${script} ${path} ${name}`, "/dev/null"],
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  let pid = "";
  const end = async () => {
    if (pid !== "") await attempt("systemctl poweroff");
    const late = setTimeout(
      () => void run(["kill", "-KILL", pid === "" ? String(child.pid) : pid]),
      60_000,
    );
    await child.status;
    clearTimeout(late);
    await child.stdin.close().catch(() => {});
  };
  await until("systemd is PID 1 of its namespaces", async () => {
    const found = await run(["pgrep", "-f", "^/lib/systemd/systemd --log-target=console"]);
    for (const each of found.stdout.trim().split("\n").filter(Boolean)) {
      const itsRoot = await Deno.readLink(`/proc/${each}/root`).catch(() => "");
      if (itsRoot === path) pid = each;
    }
    return pid !== "";
  });
  const attempt = (line: string, timeoutMs?: number) =>
    run([
      "nsenter",
      "-t",
      pid,
      "-a",
      "-r",
      "-w",
      "env",
      "-i",
      "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "sh",
      "-c",
      line,
    ], {
      ...(timeoutMs !== undefined && { timeoutMs }),
    });
  const sh = async (line: string, timeoutMs?: number) => {
    const { code, stderr, stdout } = await attempt(line, timeoutMs);
    if (code !== 0) throw new Error(`${line}: exit status ${code}\n${stdout}${stderr}`);
    return stdout;
  };
  try {
    await until("systemd has booted", async () => {
      const { stdout } = await attempt("systemctl is-system-running");
      return /^(running|degraded)/.test(stdout);
    }, 60_000);
  } catch (error) {
    await end();
    throw error;
  }
  return {
    attempt,
    sh,
    [Symbol.asyncDispose]: end,
  };
}
