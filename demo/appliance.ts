/** Runs an appliance as its user would: `deno run -P=appliance edge/main.ts run`. @module */

/** Arguments of `deno` that run the CLI with no more permissions than it needs: to sockets in a directory, too. */
export const isthmus = (directory: string): readonly string[] => [
  "run",
  "--quiet",
  "--permission-set=appliance",
  `--allow-write=${directory}`,
  new URL("../edge/main.ts", import.meta.url).pathname,
];

/** An appliance in a process of its own; disposal ends it as SIGTERM does. */
export interface RunningAppliance extends AsyncDisposable {
  /** Its admin endpoint. */
  readonly url: string;
}

/** Starts an appliance with the configuration `text` and waits until it answers. */
export async function startAppliance(
  name: string,
  text: string,
  directory: string,
): Promise<RunningAppliance> {
  const file = `${directory}/${name}.yaml`;
  await Deno.writeTextFile(file, text, { mode: 0o600 });
  const process = new Deno.Command(Deno.execPath(), {
    args: [...isthmus(directory), "run", "--config", file],
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  const url = /^admin: \{ listen: "(.*)" \}$/m.exec(text)![1]!;
  let ended = false;
  process.status.then(() => ended = true);
  while (!await answers(url)) {
    if (ended) throw new Error(`the ${name} appliance did not start`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    url,
    async [Symbol.asyncDispose]() {
      if (!ended) process.kill("SIGTERM");
      await process.status;
    },
  };
}

async function answers(url: string): Promise<boolean> {
  using client = Deno.createHttpClient({
    proxy: { transport: "unix", path: url.slice("unix:".length) },
  });
  try {
    const response = await fetch("http://localhost/healthz", { client });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
