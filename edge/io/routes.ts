/** Routes that plugins add to the kernel's tables, and take back. @module */

import { Errno, IoError } from "./errno.ts";
import type { Libc } from "./libc.ts";
import { type KernelRoute, openRtnetlink, type Rtnetlink } from "./rtnetlink.ts";

/** A route by a device. */
export interface DeviceRoute extends KernelRoute {
  readonly device: string;
  /** The named network namespace that the device is in. */
  readonly netns?: string;
}

/** The kernel's routes. */
export interface Routes extends Disposable {
  /**
   * Adds a route; the result removes it. One that was there already, by the same device and hop, stays afterwards.
   * @throws {IoError} `EEXIST` where the network is routed elsewhere, `ENODEV` where the device is not there
   */
  add(route: DeviceRoute): () => void;
}

/** Errors that say that the route is gone, or its device, or its namespace. */
const gone: ReadonlySet<string> = new Set(["ESRCH", "ENODEV", "ENOENT", "ENETUNREACH"]);

export function openRoutes(libc: Libc): Routes {
  let own: Rtnetlink | undefined;
  /** A named namespace may be another one tomorrow: it is entered each time. */
  const using = <T>(netns: string | undefined, work: (netlink: Rtnetlink) => T): T => {
    if (netns === undefined) return work(own ??= openRtnetlink(libc));
    using netlink = openRtnetlink(libc, netns);
    return work(netlink);
  };
  const linkOf = (netlink: Rtnetlink, device: string) => {
    const link = netlink.link(device);
    if (link) return link;
    throw new IoError("rtnetlink", Errno.ENODEV, `find the device ${device} for a route`);
  };
  return {
    add(route) {
      const { device, netns } = route;
      let whole = route;
      const added = using(netns, (netlink) => {
        const { index, vrfTable } = linkOf(netlink, device);
        // What is routed by a member of a VRF is looked for in the VRF's table.
        if (vrfTable !== undefined) whole = { table: vrfTable, ...route };
        try {
          netlink.addRoute(index, whole);
          return true;
        } catch (error) {
          const there = error instanceof IoError && error.errno === Errno.EEXIST;
          if (there && netlink.hasRoute(index, whole)) return false;
          throw error;
        }
      });
      return () => {
        if (!added) return;
        try {
          using(netns, (netlink) => netlink.removeRoute(linkOf(netlink, device).index, whole));
        } catch (error) {
          if (!(error instanceof IoError && gone.has(error.code))) throw error;
        }
      };
    },
    [Symbol.dispose]: () => own?.[Symbol.dispose](),
  };
}
