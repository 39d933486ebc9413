/** What a machine must have for these tests, and whether it does. @module */

/** A program by its name, or one of the things that programs need. */
export type Need = "root" | "tun" | "lab" | "scapy" | (string & Record<never, never>);

/** The folder of lab.sh: beside the project, or wherever `ISTHMUS_LAB` says. */
export const labFolder: string = Deno.env.get("ISTHMUS_LAB") ??
  new URL("../../../../shared/lab", import.meta.url).pathname;

/** Those of `needs` that this machine lacks, in words; empty where it has all. */
export function missing(needs: readonly Need[]): string[] {
  return needs.flatMap((need) => {
    switch (need) {
      case "root":
        return Deno.uid() === 0 ? [] : ["not root"];
      case "tun":
        return exists("/dev/net/tun") ? [] : ["no /dev/net/tun"];
      case "lab":
        return exists(`${labFolder}/lab.sh`) ? [] : [`no lab at ${labFolder} (ISTHMUS_LAB)`];
      case "scapy":
        return exists("/usr/lib/python3/dist-packages/scapy") ? [] : ["no python3-scapy"];
      default:
        return installed(need) ? [] : [`no ${need}`];
    }
  });
}

function installed(program: string): boolean {
  const folders = (Deno.env.get("PATH") ?? "").split(":").concat("/usr/sbin", "/sbin");
  return folders.some((folder) => exists(`${folder}/${program}`));
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
