/** UDP datagrams that carry a number in plain sight, so that anybody on the way can tell them apart. @module */

const mark = "isthmus #";
const digits = 5;

/**
 * The bash commands that send the numbers 0 to `count`-1 into a device, a datagram each. They go to a multicast group:
 * nobody is asked for a MAC address, and nobody complains that the port is closed (which would fail the next write).
 */
export function sendNumbered(device: string, count: number): string {
  const group = "239.77.0.1";
  return `ip route replace ${group}/32 dev ${device}; exec 3>/dev/udp/${group}/9; ` +
    `for ((i = 0; i < ${count}; i++)); do printf '${mark}%0${digits}d' $i >&3; done; exec 3>&-`;
}

/** The number in a frame or datagram; undefined where there is none. */
export function numberIn(bytes: Uint8Array): number | undefined {
  const text = latin1.decode(bytes);
  const at = text.indexOf(mark);
  return at < 0 ? undefined : Number(text.slice(at + mark.length, at + mark.length + digits));
}

const latin1 = new TextDecoder("latin1");
