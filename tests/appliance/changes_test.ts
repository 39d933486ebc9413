/**
 * Two hundred changes of a file under traffic, one after another, half of them made to fail at a random step: each
 * report is what happened, what was not touched loses no frame, and what fails changes nothing.
 */

import assert from "node:assert/strict";
import type { ReloadReport } from "../../edge/appliance/reconcile.ts";
import type { Config } from "../../edge/config/model.ts";
import {
  drawer,
  makeFaults,
  startSubject,
  type Subject,
  type Thing,
  thingsOf,
} from "./changes_support.ts";
import { loopback, sleep, until } from "./support.ts";

const CHANGES = 200;
const [A, B] = [loopback(111), loopback(112)];

const peer = `
listen: [{ udp: "${B}:1701" }, { udp: "${B}:1702" }]
peers:
  branch:
    accept: [{ name: live, seq: both, circuit: { frames: { name: live } } }, { name: "*", circuit: { sink: {} } }]
tunnels:
  steady:
    static: { tunnel-id: 2, peer-tunnel-id: 1 }
    local: "${B}:1702"
    remote: "${A}:1701"
    sessions: { one: { session-id: 2, peer-session-id: 1, seq: both, circuit: { frames: { name: steady } } } }
`;

/** Sends numbered frames both ways over what is steady until stopped; gives how many. */
function flow(nodes: readonly Subject[]): () => Promise<number> {
  const ends = nodes.flatMap(({ ends }) => [ends.get("steady")!, ends.get("live")!]);
  let [number, stop] = [0, false];
  const done = (async () => {
    for (; !stop; number++) {
      for (const end of ends) end.send(number);
      await sleep(2);
    }
    return number;
  })();
  return () => {
    stop = true;
    return done;
  };
}

/** What a report must say of everything that can be seen, from how it was and how it is. */
function expectedSteps(before: Map<string, Thing>, after: Map<string, Thing>) {
  const steps = new Map<string, string>();
  for (const path of new Set([...before.keys(), ...after.keys()])) {
    const [was, is] = [before.get(path), after.get(path)];
    if (!was) steps.set(path, "added");
    else if (!is) steps.set(path, "removed");
    else if (was.made !== is.made) steps.set(path, "restarted");
    else if (JSON.stringify(was.config) !== JSON.stringify(is.config)) steps.set(path, "changed");
  }
  return steps;
}

const isManaged = (path: string) => path.startsWith("tunnels/managed/");

/** What the report says of these, the last word on each. */
function saidSteps({ steps }: ReloadReport) {
  return new Map(
    steps.filter(({ path }) => path.startsWith("tunnels/") && path !== "tunnels/managed")
      .map(({ path, step }) => [path, step as string]),
  );
}

function tunnelsOf(config: Config) {
  const byName = (a: { name: string }, b: { name: string }) => a.name < b.name ? -1 : 1;
  const tunnels = config.tunnels
    .map((tunnel) => ({ ...tunnel, sessions: tunnel.sessions.toSorted(byName) }));
  return { ...config, tunnels: tunnels.toSorted(byName) };
}

/** Waits until all calls of the file are up, and none else. */
async function settled(subject: Subject) {
  const wanted = subject.parse(subject.text).managed[0]!.calls.map(({ name }) => name).sort();
  await until(async () => {
    const managed = (await subject.appliance.tunnels()).find(({ control }) => control);
    const up = (managed?.sessions ?? []).filter(({ status }) => status === "up");
    return up.map(({ config }) => config.name).sort().join() === wanted.join() &&
      managed?.sessions.length === wanted.length;
  });
}

/** A change that nothing keeps from being made. */
async function succeed(subject: Subject, text: string) {
  const [before, events] = [await thingsOf(subject), subject.events.length];
  const untouched = subject.parse(subject.text).listen;
  subject.text = text;
  const next = subject.parse(text);
  const report = await subject.appliance.reload();
  await settled(subject);
  const after = await thingsOf(subject);
  const [expected, said] = [expectedSteps(before, after), saidSteps(report)];
  const sorted = (steps: Map<string, string>) => [...steps].sort();
  const isStatic = ([path]: readonly [string, string]) => !isManaged(path);
  assert.deepEqual(sorted(said).filter(isStatic), sorted(expected).filter(isStatic));
  // A session of a call that took new options may hide what of them is not for it to know.
  for (const [path, step] of expected) assert.equal(said.get(path), step, path);
  for (const [path, step] of said) {
    assert.ok(expected.has(path) || step === "changed", `${path} ${step}`);
  }
  for (const [path, { device, made }] of after) {
    const was = before.get(path);
    if (!said.has(path)) assert.deepEqual([was?.made, was?.device], [made, device], path);
  }
  const ended = subject.events.slice(events).filter((event) =>
    event.type !== "failure" && event.ending
  );
  assert.deepEqual(
    new Set(
      ended.map((event) =>
        event.type === "call-state" ? `${event.tunnel}/${event.session}` : event.tunnel
      ),
    ),
    new Set(
      [...said].filter(([path, step]) =>
        isManaged(path) && (step === "removed" || step === "restarted")
      ).map(([path]) => path.replace("tunnels/", "").replace("/sessions/", "/")),
    ),
  );
  const listening = (config: Config["listen"]) => config.map(({ port }) => port);
  const moved = new Set(listening(untouched)).symmetricDifference(new Set(listening(next.listen)));
  const listeners = report.steps.filter(({ path }) => path.startsWith("listen/"));
  assert.equal(listeners.length, moved.size);
  assert.deepEqual(tunnelsOf(subject.appliance.config()), tunnelsOf(next));
  assert.deepEqual(report.down, []);
}

/** A change that must not come about. */
async function fail(subject: Subject, text: string, work: () => Promise<unknown>) {
  const [before, events] = [await thingsOf(subject), subject.events.length];
  const [file, config] = [subject.text, subject.appliance.config()];
  const [now, next] = [subject.parse(file), subject.parse(text)];
  subject.text = text;
  const error = await work();
  if (!error) return false;
  subject.text = file;
  const after = await thingsOf(subject);
  assert.deepEqual(tunnelsOf(subject.appliance.config()), tunnelsOf(config));
  assert.deepEqual([...after.keys()].sort(), [...before.keys()].sort());
  for (const [path, was] of before) {
    const is = after.get(path)!;
    assert.deepEqual([is.config, is.status], [was.config, was.status], path);
    const [, tunnel, , session] = path.split("/");
    const same = (config: Config) => {
      const found = config.tunnels.find(({ name }) => name === tunnel);
      return session
        ? [{ ...found, sessions: [] }, found?.sessions.find(({ name }) => name === session)]
        : { ...found, sessions: [] };
    };
    const untouched = isManaged(path) || JSON.stringify(same(now)) === JSON.stringify(same(next));
    if (untouched) assert.deepEqual([is.made, is.device], [was.made, was.device], path);
  }
  const ended = subject.events.slice(events).filter((event) =>
    event.type !== "failure" && event.ending
  );
  assert.deepEqual(ended, [], "no call has ended");
  return true;
}

Deno.test("two hundred changes under traffic: each report is what happened, and what fails changes nothing", async (t) => {
  const seed = Number(Deno.env.get("ISTHMUS_SEED") ?? 8);
  const files = drawer(seed, [A, B]);
  const faults = makeFaults();
  await using far = await startSubject(peer, makeFaults());
  await using subject = await startSubject(files.next(), faults);
  await settled(subject);
  const stop = flow([far, subject]);
  const counts = { made: 0, clash: 0, step: 0, notReached: 0 };
  for (let change = 0; change < CHANGES; change++) {
    const text = files.next();
    const path = `seed ${seed}, change ${change}`;
    try {
      const kind = change % 4;
      const fresh = subject.parse(text).tunnels.find(({ name }) =>
        !subject.appliance.config().tunnels.some((tunnel) => tunnel.name === name)
      );
      if (kind === 1 && fresh) {
        await subject.appliance.createTunnel({ ...fresh, sessions: [] });
        await fail(
          subject,
          text,
          () => subject.appliance.reload().then(() => undefined, (error) => error),
        );
        await subject.appliance.deleteTunnel(fresh.name);
        counts.clash++;
      } else if (kind === 1 || kind === 3) {
        const failed = await fail(subject, text, async () => {
          faults.arm(1 + files.draw(6));
          const result = await subject.appliance.reload().then(() => undefined, (error) => error);
          faults.disarm();
          return result;
        });
        counts[failed ? "step" : "notReached"]++;
        if (!failed) {
          await subject.appliance.reload();
          await settled(subject);
        }
      } else {
        await succeed(subject, text);
        counts.made++;
      }
    } catch (error) {
      await stop();
      throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
    }
  }
  const sent = await stop();
  const expected = Array.from({ length: sent }, (_, i) => i);
  for (const { ends } of [far, subject]) {
    for (const name of ["steady", "live"]) {
      const { received } = ends.get(name)!;
      await until(() => received.length >= sent);
      assert.deepEqual(received, expected, `${name} lost nothing`);
    }
  }
  assert.deepEqual([...subject.lines, ...far.lines], []);
  await t.step(JSON.stringify({ ...counts, frames: sent }), () => {
    assert.ok(counts.clash + counts.step >= CHANGES * 0.4, JSON.stringify(counts));
  });
});
