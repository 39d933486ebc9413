/** Where PPPoE subscribers live, without a guest of the lab. @module */

import { killAll, type Pair, type Place, placeIn } from "./place.ts";
import { output } from "./process.ts";

/** Makes a namespace with the device `eth0`, at the other end of `street` in a pair's near place; both carry 1508 octets. */
export async function makeStreet(stack: AsyncDisposableStack, pair: Pair): Promise<Place> {
  const home = placeIn(`isthmus-${Deno.pid}-home`, pair.here.folder);
  await output(["ip", "netns", "add", home.namespace]);
  stack.defer(async () => {
    await killAll(home);
    await output(["ip", "netns", "del", home.namespace]);
  });
  const { here } = pair.here;
  const peer = ["peer", "name", "eth0", "netns", home.namespace];
  await here("ip", "link", "add", "street", "mtu", "1508", "type", "veth", ...peer);
  await here("ip", "link", "set", "street", "up");
  await home.here("ip", "link", "set", "eth0", "mtu", "1508", "up");
  return home;
}
