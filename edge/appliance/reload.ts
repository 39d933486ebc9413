/** From the configuration in force to another: only what differs is touched, and all of it or nothing. @module */

import type { ReloadReport } from "./api.ts";
import { ApplianceError, asApplianceErrors } from "./errors.ts";
import { type ConfigDiff, diffConfig, type Operation, summarizeDiff } from "../config/diff.ts";
import type { Logger } from "../log.ts";
import type { AdminConfig, Config } from "../config/model.ts";
import { sessionPath, type Sessions } from "../sessions/sessions.ts";
import type { Sockets } from "../sessions/sockets.ts";
import { configOf, type SessionEntry, type TunnelEntry } from "../sessions/table.ts";
import { forEach, type Transaction, transaction } from "./transaction.ts";
import { located, type OwnedSession, type Tunnels } from "../sessions/tunnels.ts";

/** What a reload works on. */
export interface ReloadDependencies {
  readonly log: Logger;
  readonly sessions: Sessions;
  readonly sockets: Sockets;
  readonly tunnels: Tunnels;
  /** Moves the admin endpoint; a failure leaves the former one. */
  changeAdmin(admin: AdminConfig): Promise<void>;
}

/** How many tunnels are worked on at a time. */
const WIDTH = 16;

/** The file's part of what runs: what a reload compares the file with. */
export function fileConfig(settings: Omit<Config, "tunnels">, tunnels: Tunnels): Config {
  const fromFile = [...tunnels.all.values()].filter(({ origin }) => origin === "config");
  return {
    ...settings,
    tunnels: fromFile.map((tunnel) => configOf(tunnel, ({ origin }) => origin === "config")),
  };
}

/**
 * Carries out what lies between `before` and `after`. No other work may be under way.
 * @throws {ApplianceError} and has changed nothing, as far as a rollback can
 */
export async function applyConfig(
  before: Config,
  after: Config,
  dependencies: ReloadDependencies,
): Promise<ReloadReport> {
  const { log } = dependencies;
  const diff = diffConfig(before, after);
  refuseConflicts(diff, dependencies);
  await transaction(log, (tx) => carryOut(diff, before, dependencies, tx));
  const repaired = await repair(dependencies);
  const report = summarizeDiff(diff);
  const changed = [...new Set([...report.changed, ...repaired])];
  return {
    ...report,
    changed,
    unchanged: report.unchanged - (changed.length - report.changed.length),
  };
}

type Of<Kind extends Operation["kind"]> = Extract<Operation, { kind: Kind }>;

/** The operations of one kind. */
function only<Kind extends Operation["kind"]>({ operations }: ConfigDiff, kind: Kind): Of<Kind>[] {
  return operations.filter((operation): operation is Of<Kind> => operation.kind === kind);
}

/** Finds out what would fail because of tunnels that the file does not know, before anything is touched. */
function refuseConflicts(diff: ConfigDiff, { sessions, tunnels }: ReloadDependencies): void {
  const others = [...tunnels.all.values()].filter(({ origin }) => origin === "api");
  for (const { tunnel } of only(diff, "add-tunnel")) {
    for (const { config } of others) {
      const attribute = config.name === tunnel.name
        ? "name"
        : config.tunnelId === tunnel.tunnelId
        ? "tunnel-id"
        : undefined;
      if (attribute === undefined) continue;
      const message = `tunnels/${tunnel.name}: a request made the tunnel ${config.name}, ` +
        `tunnel-id ${config.tunnelId}; delete that one or change this one's ${attribute}`;
      throw new ApplianceError("exists", attribute, message);
    }
  }
  const leaving = new Set([
    ...only(diff, "remove-tunnel").flatMap(({ tunnel }) =>
      [...tunnels.all.get(tunnel.name)?.sessions.values() ?? []]
        .map(({ config }) => sessionPath(tunnel, config))
    ),
    ...[...only(diff, "remove-session"), ...only(diff, "change-session")]
      .map(({ tunnel, session }) => sessionPath(tunnel, session)),
  ]);
  for (const { tunnel } of only(diff, "add-tunnel")) {
    for (const session of tunnel.sessions) sessions.check(tunnel, session, leaving);
  }
  for (
    const { tunnel, session } of [...only(diff, "change-session"), ...only(diff, "add-session")]
  ) {
    sessions.check(tunnel, session, leaving);
  }
}

async function carryOut(
  diff: ConfigDiff,
  before: Config,
  dependencies: ReloadDependencies,
  tx: Transaction,
): Promise<void> {
  const { log, sessions, tunnels } = dependencies;
  await removeSessions(diff, dependencies, tx);
  const orphans = await removeTunnels(diff, dependencies, tx);
  await changeListeners(diff, dependencies, tx);

  for (const { log: settings } of only(diff, "change-log")) {
    log.configure(settings);
    tx.undo(() => log.configure(before.log));
  }
  await forEach(only(diff, "change-tunnel"), WIDTH, ({ tunnel }) =>
    located(
      `tunnels/${tunnel.name}`,
      () => tunnels.change(running(tunnels, tunnel.name), tunnel, tx),
    ));

  const changes = only(diff, "change-session").map(({ tunnel, session }) => ({
    path: sessionPath(tunnel, session),
    tunnel: running(tunnels, tunnel.name),
    entry: running(tunnels, tunnel.name).sessions.byName(session.name)!,
    next: session,
  }));
  await forEach(
    changes,
    WIDTH,
    ({ path, tunnel, entry, next }) =>
      located(path, () => sessions.releaseCircuit(tunnel, entry, next, tx)),
  );
  await forEach(
    changes,
    WIDTH,
    ({ path, tunnel, entry, next }) =>
      located(path, () => sessions.change(tunnel, entry, next, tx)),
  );

  await forEach(only(diff, "add-tunnel"), WIDTH, ({ tunnel }) => {
    const wanted = tunnel.sessions.map((config): OwnedSession => ({ config, origin: "config" }));
    const kept = orphans.get(tunnel.name) ?? [];
    return located(
      `tunnels/${tunnel.name}`,
      () => tunnels.add(tunnel, "config", [...wanted, ...kept], tx),
    );
  });
  await forEach(only(diff, "add-session"), WIDTH, ({ tunnel, session }) =>
    located(
      sessionPath(tunnel, session),
      () => sessions.add(running(tunnels, tunnel.name), session, "config", tx),
    ));

  for (const { admin } of only(diff, "change-admin")) {
    await dependencies.changeAdmin(admin);
    tx.undo(() => dependencies.changeAdmin(before.admin));
  }
}

async function removeSessions(
  diff: ConfigDiff,
  { sessions, tunnels }: ReloadDependencies,
  tx: Transaction,
): Promise<void> {
  await forEach(only(diff, "remove-session"), WIDTH, async ({ tunnel: { name }, session }) => {
    const tunnel = running(tunnels, name);
    const entry = tunnel.sessions.byName(session.name);
    if (!entry) return;
    await sessions.remove(tunnel, entry);
    tx.undo(() => transactionless((again) => sessions.add(tunnel, session, entry.origin, again)));
  });
}

/** Removes tunnels. The result holds, by tunnel, the sessions that requests had made in them. */
async function removeTunnels(
  diff: ConfigDiff,
  { tunnels }: ReloadDependencies,
  tx: Transaction,
): Promise<Map<string, OwnedSession[]>> {
  const orphans = new Map<string, OwnedSession[]>();
  await forEach(only(diff, "remove-tunnel"), WIDTH, async ({ tunnel: { name } }) => {
    const tunnel = running(tunnels, name);
    const owned = [...tunnel.sessions.values()].map(ownership);
    orphans.set(name, owned.filter(({ origin }) => origin === "api"));
    await tunnels.remove(tunnel);
    tx.undo(() =>
      transactionless((again) => tunnels.add(tunnel.config, tunnel.origin, owned, again))
    );
  });
  return orphans;
}

/** Tunnels move off a listener before it is closed, and onto one once it is open. */
async function changeListeners(
  diff: ConfigDiff,
  { sockets, tunnels }: ReloadDependencies,
  tx: Transaction,
): Promise<void> {
  const settle = () =>
    forEach(
      tunnels.all.values(),
      WIDTH,
      (tunnel) => located(`tunnels/${tunnel.config.name}`, () => tunnels.settle(tunnel, tx)),
    );
  const removed = only(diff, "remove-listener");
  const added = only(diff, "add-listener");
  if (removed.length + added.length === 0) return;
  for (const { listener } of removed) {
    await sockets.close(listener);
    tx.undo(() => sockets.open(listener));
  }
  for (const { listener } of added) {
    await asApplianceErrors("listen", () => sockets.open(listener));
    tx.undo(() => sockets.close(listener));
  }
  await settle();
}

/** Gives sessions of the file whose circuits broke another chance; what still fails stays down. */
async function repair({ log, sessions, tunnels }: ReloadDependencies): Promise<string[]> {
  const repaired: string[] = [];
  for (const tunnel of tunnels.all.values()) {
    for (const session of tunnel.sessions.values()) {
      if (session.circuit || !session.config.circuit || session.origin !== "config") continue;
      const path = sessionPath(tunnel.config, session.config);
      try {
        await transaction(log, (tx) => sessions.change(tunnel, session, session.config, tx));
        repaired.push(path);
      } catch (error) {
        log.warn("session stays down", { path, reason: String(error) });
      }
    }
  }
  return repaired;
}

function running(tunnels: Tunnels, name: string): TunnelEntry {
  const tunnel = tunnels.all.get(name);
  if (!tunnel) throw new ApplianceError("not-found", undefined, `there is no tunnel ${name}`);
  return tunnel;
}

function ownership({ config, origin }: SessionEntry): OwnedSession {
  return { config, origin };
}

/** Steps of an undo that are not taken back themselves. */
function transactionless<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
  return work({ undo() {}, commit() {} });
}
