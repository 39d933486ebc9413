/** Network namespaces for the demo's devices, where the machine can have them. @module */

/** The namespaces' names, or why there are none. */
export type Namespaces =
  & AsyncDisposable
  & ({
    readonly available: true;
    readonly left: string;
    readonly right: string;
    /** Holds the far end of `left`'s Ethernet cable, the device `street`; that at `left` is `uplink`. */
    readonly street: string;
  } | { readonly available: false; readonly reason: string });

/** Makes the namespaces; disposal removes them. */
export async function namespaces(): Promise<Namespaces> {
  const reason = await whyNot();
  if (reason !== undefined) {
    return {
      available: false,
      reason,
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  const left = `isthmus-left-${Deno.pid}`;
  const right = `isthmus-right-${Deno.pid}`;
  const street = `isthmus-street-${Deno.pid}`;
  const all = [left, right, street];
  for (const name of all) await ip("netns", "add", name);
  const far = ["peer", "name", "street", "netns", street];
  await ip("link", "add", "uplink", "netns", left, "type", "veth", ...far);
  await ip("-n", left, "link", "set", "uplink", "up");
  await ip("-n", street, "link", "set", "street", "up");
  return {
    available: true,
    left,
    right,
    street,
    async [Symbol.asyncDispose]() {
      for (const name of all) await ip("netns", "del", name);
    },
  };
}

async function whyNot(): Promise<string | undefined> {
  if (Deno.uid() !== 0) return "not root";
  try {
    (await Deno.open("/dev/net/tun", { read: true, write: true })).close();
  } catch {
    return "no /dev/net/tun";
  }
  for (const [program, arg] of [["ip", "-V"], ["ping", "-V"]] as const) {
    if (!await succeeds(program, arg)) return `no ${program}`;
  }
  const probe = `isthmus-try-${Deno.pid}`;
  if (!await succeeds("ip", "netns", "add", probe)) return "no network namespaces";
  await ip("netns", "del", probe);
  return undefined;
}

async function ip(...args: string[]): Promise<void> {
  if (!await succeeds("ip", ...args)) throw new Error(`ip ${args.join(" ")} failed`);
}

/** Whether a command could be run and succeeded. */
async function succeeds(program: string, ...args: string[]): Promise<boolean> {
  try {
    return (await new Deno.Command(program, { args, stdout: "null", stderr: "null" }).output())
      .success;
  } catch {
    return false;
  }
}
