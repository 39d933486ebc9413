/** Ethernet frames that are sent in at one interface, and looked for at another. @module */

import type { Place } from "./place.ts";
import { sleep, until } from "./process.ts";

/** Where frames are sent in or looked for. */
export interface End {
  readonly at: Place;
  readonly device: string;
}

/**
 * Sends frames out of one interface, and gives what came in at another, with the tags that the kernel took off put back; in
 * hexadecimal digits, both. It waits until so many came, and a moment for more. IPv6, which the kernel sends by itself, is
 * left out.
 */
export async function crosses(
  from: End,
  to: End,
  frames: readonly string[],
  expected = frames.length,
): Promise<string[]> {
  await using sniff = to.at.background("sniff", "python3", "-c", sniffer, to.device);
  const seen = async () => (await sniff.log()).split("\n").slice(0, -1);
  await until("the sniffer is ready", async () => (await seen()).includes("ready"));
  await from.at.here("python3", "-c", sender, from.device, ...frames);
  // Who asked sees what is missing.
  await until("frames cross", async () => (await seen()).length > expected).catch(() => {});
  await sleep(300);
  return (await seen()).slice(1);
}

const sniffer = `
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
s.setsockopt(263, 8, 1)   # PACKET_AUXDATA
s.bind((sys.argv[1], 3))
print("ready", flush=True)
while True:
    data, aux, _, address = s.recvmsg(65536, 256)
    if address[2] == 4 or data[12:14] == b"\\x86\\xdd": continue
    for level, kind, value in aux:
        if level == 263 and kind == 8 and value[0] & 0x10:
            tpid = value[18:20][::-1] if value[0] & 0x40 else b"\\x81\\x00"
            data = data[:12] + tpid + value[16:18][::-1] + data[12:]
    print(data.hex(), flush=True)
`;

const sender = `
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
s.bind((sys.argv[1], 0))
for frame in sys.argv[2:]: s.send(bytes.fromhex(frame))
`;
