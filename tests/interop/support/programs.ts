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
        if (!exists(`${labFolder}/lab.sh`)) return [`no lab at ${labFolder} (ISTHMUS_LAB)`];
        return labBoots() ? [] : ["the lab's guest does not boot on this machine's processor"];
      case "scapy":
        return exists("/usr/lib/python3/dist-packages/scapy") ? [] : ["no python3-scapy"];
      default:
        return installed(need) ? [] : [`no ${need}`];
    }
  });
}

let boots: boolean | undefined;
/**
 * Whether the lab's guest comes up. It does not on processors whose register state (AMX) is larger than its kernel, User
 * Mode Linux 6.1, has room for: it dies with a panic in the first system call.
 */
function labBoots(): boolean {
  if (Deno.uid() !== 0) return true;
  return boots ??= new Deno.Command("timeout", {
    args: ["30", `${labFolder}/lab.sh`, "-T", "20", "-c", "true"],
    stdout: "null",
    stderr: "null",
  }).outputSync().success;
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
