/**
 * The page for people in headless Chromium, through `isthmus web`: 2,000 sessions at once, live, without a complaint.
 * With `ISTHMUS_PICTURE=FILE` in the environment a picture of it is written there.
 */

import assert from "node:assert/strict";
import { type Appliance, root, startAppliance } from "./support/appliance.ts";
import { openBrowser } from "./support/browser.ts";
import { isthmus } from "./support/managed.ts";
import type { Place } from "./support/place.ts";
import { output, run, start, until } from "./support/process.ts";
import { say, suite } from "./support/suite.ts";

const TUNNELS = 20;
const SESSIONS = 100;

/** Static tunnels over loopback, a peer that never answers, and a tunnel whose address is not there. */
const config = (adminSocket: string) => `
listen: [{ udp: "127.0.0.1:17011" }]
admin: { listen: "unix:${adminSocket}" }
switches: { lan: { mac-aging-time: 77 } }
peers:
  branch: { host-name: branch.example, address: 127.0.0.9, accept: [{ circuit: { sink: {} } }] }
  hq: { retransmit: 0.2, attempts: 2 }
tunnels:
  away: { static: { tunnel-id: 900, peer-tunnel-id: 901 }, local: "10.254.254.1:17012", remote: "127.0.0.1:17013", encap: udp }
  to-hq: { peer: hq, local: "127.0.0.1:0", remote: "127.0.0.1:17099" }
${
  Array.from({ length: TUNNELS }, (_, t) => `
  site-${t + 1}:
    static: { tunnel-id: ${t + 1}, peer-tunnel-id: ${1000 + t} }
    encap: udp
    local: "127.0.0.1:17011"
    remote: "127.0.0.1:${18000 + t}"
    sessions:
${
    Array.from({ length: SESSIONS }, (_, s) => {
      const id = t * SESSIONS + s + 1;
      return `      line-${id}: { session-id: ${id}, peer-session-id: ${id}, circuit: { sink: {} } }`;
    }).join("\n")
  }`).join("")
}
`;

/** This machine itself: the browser and the page need no network but loopback. */
function hereItself(folder: string): Place {
  let programs = 0;
  return {
    namespace: "",
    folder,
    here: (...argv) => output(argv),
    tryHere: (argv, options) => run(argv, options),
    background: (name, ...argv) => start(argv, `${folder}/${name}-${++programs}.log`),
  };
}

const { test } = suite<
  { readonly appliance: Appliance; readonly url: string }
>(
  import.meta.url,
  ["chromium"],
  async (stack) => {
    const folder = await Deno.makeTempDir();
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    const place = hereItself(folder);
    const appliance = stack.use(await startAppliance(place, config));
    const web = stack.use(place.background(
      "web",
      ...[Deno.execPath(), "run", "-q", "-A", `${root}edge/main.ts`],
      ...["--url", `unix:${appliance.adminSocket}`, "web"],
    ));
    await until("the page is served", async () => (await web.log()).includes("http://"));
    const url = /http:\S+/.exec(await web.log())![0];
    return { appliance, url };
  },
);

const rows = (id: string) => `document.querySelectorAll("#${id} tbody tr").length`;
const text = (id: string) => `document.querySelector("#${id}").innerText`;

test("2,000 sessions are shown, live, and nothing complains", async ({ appliance, url }) => {
  await using page = await openBrowser();
  await page.open(url);
  await until(
    "all is shown",
    async () =>
      await page.evaluate(rows("sessions")) === TUNNELS * SESSIONS &&
      await page.evaluate(rows("tunnels")) === TUNNELS + 2,
  );
  const paint = await page.evaluate<number>(
    `performance.getEntriesByName("first-contentful-paint")[0].startTime`,
  );
  say(`  first paint after ${Math.round(paint)} ms`);
  assert(paint < 10_000);
  assert.match(await page.evaluate<string>(text("health")), /^\d+\.\d+\.\d+, up for /);
  assert.match(await page.evaluate<string>(text("down")), /tunnels\/away.*10\.254\.254\.1/s);

  // Why the peer that never answers is not there, and that it was tried.
  await until(
    "the peer's trouble is told",
    async () => /to-hq[^\n]*timed out/.test(await page.evaluate<string>(text("tunnels"))),
  );
  await until(
    "it stands among the failures",
    async () => /17099/.test(await page.evaluate<string>(text("failures"))),
  );
  await until(
    "an event came by itself",
    async () => /to-hq/.test(await page.evaluate<string>(text("events"))),
  );

  assert.equal(
    await page.evaluate<string>(`document.querySelector('nav a[href="#down"]').innerText`),
    "Down 1",
    "the top tells of what is further down",
  );

  // What changes is shown without being asked for.
  await isthmus(appliance, "del", "session", "tunnel", "site-1", "name", "line-1");
  await until(
    "the session is gone",
    async () => await page.evaluate(rows("sessions")) === TUNNELS * SESSIONS - 1,
  );

  // What plugins tell: here of switches.
  await until(
    "the switch is shown",
    async () =>
      /lan[^]*77/.test(
        await page.evaluate<string>(`document.querySelector("#view-switch")?.innerText ?? ""`),
      ),
  );

  // A filter.
  await page.evaluate(`document.querySelector("#filter").value = "line-777"`);
  await page.evaluate(`document.querySelector("#filter").dispatchEvent(new Event("input"))`);
  assert.equal(await page.evaluate(rows("sessions")), 1);
  await page.evaluate(`document.querySelector("#filter").value = ""`);
  await page.evaluate(`document.querySelector("#filter").dispatchEvent(new Event("input"))`);

  const file = Deno.env.get("ISTHMUS_PICTURE");
  const picture = await page.picture();
  assert.deepEqual([...picture.subarray(1, 4)], [0x50, 0x4e, 0x47]);
  if (file) await Deno.writeFile(file, picture);
  assert.deepEqual(page.complaints, []);
});
