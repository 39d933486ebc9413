/** A name server of ours in a place: dnsmasq. @module */

import { launch, type Place } from "./place.ts";
import { until } from "./process.ts";

/** Names and their addresses, in order. */
export type Names = Readonly<Record<string, readonly string[]>>;

/** A running name server, which programs in its place ask. */
export interface NameServer extends AsyncDisposable {
  /** What it answers from now on. */
  answer(names: Names): Promise<void>;
}

/** Starts it in a namespace, whose programs (those started afterwards) then ask it and nobody else. */
export async function startNameServer(place: Place, names: Names): Promise<NameServer> {
  const folder = `/etc/netns/${place.namespace}`;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/resolv.conf`, "nameserver 127.0.0.1\noptions timeout:1\n");
  await Deno.writeTextFile(`${folder}/nsswitch.conf`, "hosts: dns\n");
  const [hosts, pid] = [`${place.folder}/hosts`, `${place.folder}/dnsmasq.pid`];
  const write = (names: Names) =>
    Deno.writeTextFile(
      hosts,
      Object.entries(names)
        .flatMap(([name, addresses]) => addresses.map((address) => `${address} ${name}\n`))
        .join(""),
    );
  await write(names);
  await launch(place, "dnsmasq", [
    "dnsmasq",
    ...["--keep-in-foreground", "--user=root", "--conf-file=/dev/null", `--pid-file=${pid}`],
    ...["--no-resolv", "--no-hosts", `--addn-hosts=${hosts}`, "--local=/example/"],
    ...["--listen-address=127.0.0.1", "--bind-interfaces"],
  ]);
  await until(
    "dnsmasq listens",
    async () => (await place.here("ss", "-Hlnu", "sport", "=", ":53")) !== "",
  );
  return {
    async answer(names) {
      await write(names);
      Deno.kill(Number(await Deno.readTextFile(pid)), "SIGHUP");
    },
    async [Symbol.asyncDispose]() {
      await Deno.remove(folder, { recursive: true });
    },
  };
}
