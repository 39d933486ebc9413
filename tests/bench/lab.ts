/** Two network namespaces joined by a veth, one for the subject and one for its peers, each side on its own core. @module */

import { peerAddress, subjectAddress } from "./plan.ts";
import { run } from "./programs.ts";

/** Whether super-packets (UDP_SEGMENT) cross an interface whole, or the kernel splits them there in software. */
export type Underlay = "whole" | "split";

export interface Lab extends AsyncDisposable {
  /** The namespace that subjects and their TAPs live in, by its name in `ip netns`. */
  readonly subjectNetns: string;
  /** The command that runs `command` as a subject. */
  asSubject(command: readonly string[]): string[];
  /** The command that runs `command` as the peers. */
  asPeers(command: readonly string[]): string[];
  /** What becomes of super-packets that the subject sends. */
  setSubjectUnderlay(underlay: Underlay): Promise<void>;
  /** What becomes of super-packets that the peers send. */
  setPeersUnderlay(underlay: Underlay): Promise<void>;
  /** Makes an interface for a subject to attach to, up and without IP; frames come and go by its other end, `NAME-host`. */
  addWire(name: string): Promise<void>;
  /** Makes a TAP for a subject to attach to, up and without IP. */
  addTap(name: string): Promise<void>;
}

/** Cores: subjects on the first, traffic and sinks on the second, where there is one. */
const subjectCore = 0;
const peersCore = Math.min(1, navigator.hardwareConcurrency - 1);

/** Why no lab can be had here, or undefined. */
export async function labMissing(): Promise<string | undefined> {
  if (Deno.uid() !== 0) return "needs root (network namespaces)";
  for (const tool of ["ip", "ethtool", "taskset"]) {
    try {
      await new Deno.Command(tool, { args: ["--version"], stdout: "null", stderr: "null" })
        .output();
    } catch {
      return `needs ${tool}`;
    }
  }
}

/** Makes the namespaces; disposal removes them with all that is in them. @throws {Error} */
export async function openLab(): Promise<Lab> {
  const subject = `isthmus-bench-${Deno.pid}-subject`;
  const peers = `isthmus-bench-${Deno.pid}-peers`;
  const remove = async () => {
    for (const netns of [subject, peers]) await words(`ip netns del ${netns}`).catch(() => {});
  };
  try {
    for (const netns of [subject, peers]) {
      await words(`ip netns add ${netns}`);
      // No router solicitations or multicast reports among the packets.
      const off = "echo 1 2>/dev/null >/proc/sys/net/ipv6/conf/all/disable_ipv6 || true";
      await run("ip", "netns", "exec", netns, "sh", "-c", off);
    }
    await words(
      `ip link add peers0 netns ${subject} type veth peer name subject0 netns ${peers}`,
      `ip -n ${subject} addr add ${subjectAddress}/24 dev peers0`,
      `ip -n ${peers} addr add ${peerAddress}/24 dev subject0`,
      `ip -n ${subject} link set peers0 up`,
      `ip -n ${peers} link set subject0 up`,
    );
  } catch (error) {
    await remove();
    throw error;
  }

  const inside = (netns: string, core: number, command: readonly string[]) => [
    ...`ip netns exec ${netns} taskset -c ${core}`.split(" "),
    ...command,
  ];
  const setUnderlay = (netns: string, device: string, underlay: Underlay) => {
    const value = underlay === "whole" ? "on" : "off";
    return words(`ip netns exec ${netns} ethtool -K ${device} tx-udp-segmentation ${value}`);
  };
  return {
    subjectNetns: subject,
    asSubject: (command) => inside(subject, subjectCore, command),
    asPeers: (command) => inside(peers, peersCore, command),
    setSubjectUnderlay: (underlay) => setUnderlay(subject, "peers0", underlay),
    setPeersUnderlay: (underlay) => setUnderlay(peers, "subject0", underlay),
    addWire: (name) =>
      words(
        `ip -n ${subject} link add ${name} type veth peer name ${name}-host`,
        `ip -n ${subject} link set ${name} up`,
        `ip -n ${subject} link set ${name}-host up`,
      ),
    addTap: (name) =>
      words(
        `ip -n ${subject} tuntap add dev ${name} mode tap`,
        `ip -n ${subject} link set ${name} up`,
      ),
    [Symbol.asyncDispose]: remove,
  };
}

/** Runs commands whose words no space is part of, one after the other. */
async function words(...commands: string[]): Promise<void> {
  for (const command of commands) {
    const [name, ...args] = command.split(" ");
    await run(name!, ...args);
  }
}
