/**
 * Which sequence numbers are taken (RFC 3931 §4.6.1): the same frames, forged number by number, go to a session of ours
 * and to one of the kernel's, and what comes out of our TAP and of the kernel's device is said of each. Where the two
 * differ, they do so on purpose: docs/configuration.md has ours, l2tp_recv_data_seq and l2tp_seq_check_rx_window the kernel's.
 */

import assert from "node:assert/strict";
import type { Appliance } from "./support/appliance.ts";
import { startAppliance } from "./support/appliance.ts";
import { type Capture, captureHere, captureInGuest } from "./support/capture.ts";
import { addKernelEnds } from "./support/kernel.ts";
import { bootLab, type Lab, wire, withoutIpv6 } from "./support/lab.ts";
import { numberIn } from "./support/numbered.ts";
import { sleep, until } from "./support/process.ts";
import { config, derived, type Pseudowire } from "./support/pseudowire.ts";
import { suite } from "./support/suite.ts";

/** The numbers from `first` up to, without, `end`. */
function range(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, i) => first + i);
}

interface Trace {
  readonly what: string;
  readonly sent: readonly number[];
  readonly ours: readonly number[];
  readonly kernel: readonly number[];
}

const upper = range(0xff_ff00, 0xff_ff20);

const traces: readonly Trace[] = [
  {
    what: "two lost frames cost us none of those behind them; the kernel five",
    sent: [...range(0, 10), ...range(12, 30)],
    ours: [...range(0, 10), ...range(12, 30)],
    kernel: [...range(0, 10), ...range(17, 30)],
  },
  {
    what: "twelve repeated frames are delivered again by neither",
    sent: [...range(0, 30), ...range(10, 22), ...range(30, 40)],
    ours: range(0, 40),
    kernel: range(0, 40),
  },
  {
    what: "a stray early frame costs neither of us a good one",
    sent: [...range(0, 10), 5000, ...range(10, 30)],
    ours: range(0, 30),
    kernel: range(0, 30),
  },
  {
    what: "a peer that begins anew is followed by us after 32 old numbers; by the kernel not",
    sent: [...range(0, 100), ...range(0, 50)],
    ours: [...range(0, 100), ...range(31, 50)],
    kernel: range(0, 100),
  },
  {
    what: "a peer may begin in the upper half with us; with the kernel not",
    sent: upper,
    ours: upper,
    kernel: [],
  },
];

/** As the kernel sees it; our end's peer is another port of the guest, which no tunnel of the kernel's has. */
const pseudowires = traces.map((_, at): Pseudowire => ({
  index: 1 + at,
  encap: "udp",
  here: { address: wire.here.ip4, port: 1901 + at },
  there: { address: wire.guest.ip4, port: 1801 + at },
  ours: { there: { address: wire.guest.ip4, port: 2801 + at } },
  l2spec: "default",
  cookie: "",
  peerCookie: "",
  seq: true,
}));

interface Context {
  readonly lab: Lab;
  readonly appliance: Appliance;
}

const numbering = suite<Context>(
  import.meta.url,
  ["root", "tun", "lab", "ip", "tcpdump", "perl"],
  async (stack) => {
    const lab = stack.use(await bootLab());
    await withoutIpv6(lab);
    const appliance = stack.use(
      await startAppliance(lab, (socket) =>
        config(
          pseudowires.map((one) => ({ ...one, here: { address: wire.here.ip4, port: 1701 } })),
          `{ udp: "${wire.here.ip4}:1701" }`,
          socket,
        )),
    );
    await addKernelEnds(lab, pseudowires);
    return { lab, appliance };
  },
);

for (const [at, { what, sent, ours, kernel }] of traces.entries()) {
  numbering.test(what, async ({ lab }) => {
    const { here, there, ours: ends, ...rest } = pseudowires[at]!;
    const { tap, device, sessionId, peerSessionId } = derived(rest);
    const atTap = await captureHere(lab, tap, "ether proto 0x88b5");
    const atDevice = await captureInGuest(lab, device, "ether proto 0x88b5");
    await lab.guest(send(ends!.there!, { address: here.address, port: 1701 }, sessionId, sent));
    await lab.here("bash", "-c", send(here, there, peerSessionId, sent));
    assert.deepStrictEqual(await numbers(atTap, ours.length), ours, "ours");
    assert.deepStrictEqual(await numbers(atDevice, kernel.length), kernel, "the kernel's");
  });
}

interface End {
  readonly address: string;
  readonly port: number;
}

/** The command that sends frames with these sequence numbers, which each says too, in L2TPv3 over UDP. */
function send(from: End, to: End, sessionId: number, sent: readonly number[]): string {
  const program = `use IO::Socket::INET; my ($l, $lp, $r, $rp, $id, @n) = @ARGV;
    my $s = IO::Socket::INET->new(Proto => "udp", LocalAddr => $l, LocalPort => $lp, PeerAddr => $r, PeerPort => $rp) or die $!;
    for (@n) { $s->send(pack("N3 H12 H12 H4 a46", 0x30000, $id, 0x40000000 | $_, "ffffffffffff", "020000000001", "88b5",
      sprintf("isthmus #%05d", $_ % 100000))); select undef, undef, undef, 0.001 }`;
  const args = [from.address, from.port, to.address, to.port, sessionId, ...sent];
  return `perl -e '${program}' ${args.join(" ")}`;
}

/** The numbers that a capture saw, once there are so many, and a moment for more; told apart by their last five digits. */
async function numbers(capture: Capture, count: number): Promise<number[]> {
  await until("frames were captured", async () => (await capture.seen()).length >= count)
    .catch(() => {}); // who asked sees what is missing
  await sleep(200);
  const frames = await capture.stop();
  return frames.map(numberIn).filter((number) => number !== undefined).map((number) =>
    upper.find((one) => one % 100_000 === number && number > 1000) ?? number
  );
}
