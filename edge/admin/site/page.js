/**
 * The page for people: asks the API as any other client does, and changes nothing. What others chose (names, reasons)
 * enters the document as text, never as markup.
 */

/** How often each kind of thing is asked for, in milliseconds; a long list is asked for less often. */
const EVERY = { quick: 2000, slow: 10_000 };
/** Events that are kept. */
const EVENTS_KEPT = 200;
/** What is shown at most of anything; the command line has it all. Each answer is made in one piece. */
const MOST = 5000;
/** From so many sessions on they are asked for slowly. */
const MANY = 3000;

const byId = (id) => document.getElementById(id);
const filter = byId("filter");

/** An element with text in it. */
function element(name, text = "", className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

async function ask(path) {
  const response = await fetch(path, { headers: { accept: "application/json" } });
  if (!response.ok) throw new Error(`${path}: HTTP status ${response.status}`);
  return await response.json();
}

/** A list as far as it is shown, and whether there is more. */
async function list(path, key) {
  const page = await ask(`${path}?limit=${MOST}`);
  return [page[key], page.next !== undefined];
}

/** A table in a section. Rows that stay are kept, and only cells that changed are written. */
class Table {
  #section;
  #columns;
  #nothing;
  #body;
  #rows = new Map();
  #items = [];
  #truncated = false;

  /** `columns`: heading, cell (text, or [text, class]), and "number" or "wide". */
  constructor(id, nothing, keyOf, columns) {
    this.#section = byId(id);
    this.#nothing = nothing;
    this.keyOf = keyOf;
    this.#columns = columns;
  }

  show(items = this.#items, truncated = this.#truncated) {
    this.#items = items;
    this.#truncated = truncated;
    const wanted = filter.value.trim().toLowerCase();
    const rows = items.map((
      item,
    ) => [this.keyOf(item), this.#columns.map(([, cell]) => cell(item))])
      .filter(([, cells]) =>
        wanted === "" || cells.some((cell) => textOf(cell).toLowerCase().includes(wanted))
      );
    const count = rows.length === items.length
      ? `${items.length}`
      : `${rows.length} of ${items.length}`;
    this.#section.querySelector("small").textContent = count + (this.#truncated ? " and more" : "");
    // Whoever looks at the top sees that there is trouble further down.
    const badge = document.querySelector(`nav a[href="#${this.#section.id}"] b`);
    if (badge) badge.textContent = items.length === 0 ? "" : `${items.length}`;
    if (rows.length === 0) return this.#clear();
    this.#body ??= this.#begin();
    const kept = new Map();
    let before = null;
    for (const [key, cells] of rows) {
      const row = this.#rows.get(key) ?? this.#newRow();
      cells.forEach((cell, i) => write(row.children[i], cell, this.#columns[i][2]));
      const place = before === null ? this.#body.firstChild : before.nextSibling;
      if (place !== row) this.#body.insertBefore(row, place);
      before = row;
      kept.set(key, row);
    }
    for (const [key, row] of this.#rows) if (kept.get(key) !== row) row.remove();
    this.#rows = kept;
  }

  #clear() {
    this.#rows = new Map();
    this.#body = undefined;
    this.#section.querySelector(".table").replaceChildren(element("p", this.#nothing, "empty"));
  }

  #begin() {
    const table = document.createElement("table");
    const head = table.createTHead().insertRow();
    for (const [heading, , kind = ""] of this.#columns) {
      const cell = element("th", heading, kind);
      cell.scope = "col";
      head.append(cell);
    }
    this.#section.querySelector(".table").replaceChildren(table);
    return table.createTBody();
  }

  #newRow() {
    const row = document.createElement("tr");
    for (let i = 0; i < this.#columns.length; i++) row.append(document.createElement("td"));
    return row;
  }
}

const textOf = (cell) => String((Array.isArray(cell) ? cell[0] : cell) ?? "–");

function write(place, cell, kind = "") {
  const text = textOf(cell);
  const className = [kind, Array.isArray(cell) ? cell[1] : ""].filter(Boolean).join(" ");
  if (place.textContent !== text) place.textContent = text;
  if (place.className !== className) place.className = className;
}

/** Bits a second since a counter was last seen, by whose it is. */
class Rates {
  #last = new Map();

  of(key, statistics) {
    const now = performance.now();
    const bytes = [statistics["rx-bytes"], statistics["tx-bytes"]];
    const last = this.#last.get(key);
    const rate = last && now > last.now
      ? bytes.map((value, i) => Math.max(0, value - last.bytes[i]) * 8000 / (now - last.now))
      : last?.rate;
    if (!last || now - last.now > 500) this.#last.set(key, { now, bytes, rate });
    return rate ?? [];
  }
}

function bits(rate) {
  if (rate === undefined) return "–";
  const units = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"];
  let unit = 0;
  while (rate >= 1000 && unit < units.length - 1) {
    rate /= 1000;
    unit++;
  }
  return `${rate >= 100 || unit === 0 ? Math.round(rate) : rate.toFixed(1)} ${units[unit]}`;
}

function span(seconds) {
  if (seconds === undefined) return "–";
  const [d, h, m] = [86_400, 3600, 60].map((unit) => Math.floor(seconds / unit));
  if (d > 0) return `${d} d ${h % 24} h`;
  if (h > 0) return `${h} h ${m % 60} min`;
  return m > 0 ? `${m} min ${Math.floor(seconds % 60)} s` : `${Math.floor(seconds)} s`;
}

const whole = (value) => value.toLocaleString("en");
const clock = (time) => new Date(time).toLocaleTimeString("en-GB");
const stateClass = (state) =>
  state === "up" || state === "established"
    ? "good"
    : state === "down" || state === "closed" || state === "idle"
    ? "bad"
    : "wait";

const tunnelRates = new Rates();
const sessionRates = new Rates();
const remoteOf = (tunnel) => tunnel["ip-daddr"] ?? tunnel["ip6-daddr"];

const tables = {
  tunnels: new Table("tunnels", "There is no tunnel.", ({ name }) => name, [
    ["Name", (tunnel) => tunnel.name],
    ["State", ({ control, status }) => {
      const state = control?.state ?? status;
      return [state, stateClass(state)];
    }],
    ["Peer", ({ control }) => control?.peer],
    ["Host name", ({ control }) => control?.["host-name"]],
    ["Remote", remoteOf],
    ["Version", ({ "proto-version": version, version: other }) => version ?? other, "number"],
    ["Up for", ({ control }) => span(control?.uptime), "number"],
    ["Sessions", ({ sessions }) => whole(sessions), "number"],
    ["Received", (tunnel) => bits(tunnelRates.of(tunnel.name, tunnel.statistics)[0]), "number"],
    ["Sent", (tunnel) => bits(tunnelRates.of(tunnel.name, tunnel.statistics)[1]), "number"],
    [
      "Why",
      ({ control, reason, status }) => status === "up" ? "" : reason ?? control?.reason,
      "wide",
    ],
  ]),
  sessions: new Table(
    "sessions",
    "There is no session.",
    (session) => `${session["tunnel-id"]}/${session["session-id"]}/${session.name}`,
    [
      ["Tunnel", ({ tunnel }) => tunnel],
      ["Session", ({ name }) => name],
      ["State", ({ status }) => [status, stateClass(status)]],
      ["Type", (session) => session["pw-type"]],
      [
        "Circuit",
        ({ circuit, ifname }) =>
          ifname ?? (typeof circuit === "string" ? circuit : Object.keys(circuit ?? {})[0]),
      ],
      ["User", (session) => session["circuit-state"]?.user],
      ["Address", (session) => session["circuit-state"]?.address],
      [
        "Received",
        (session) =>
          bits(sessionRates.of(`${session.tunnel}/${session.name}`, session.statistics)[0]),
        "number",
      ],
      [
        "Sent",
        (session) =>
          bits(sessionRates.of(`${session.tunnel}/${session.name}`, session.statistics)[1]),
        "number",
      ],
      ["Packets in", ({ statistics }) => whole(statistics["rx-packets"]), "number"],
      ["Packets out", ({ statistics }) => whole(statistics["tx-packets"]), "number"],
      ["Why", ({ reason }) => reason ?? "", "wide"],
    ],
  ),
  peers: new Table("peers", "There is no peer.", ({ name }) => name, [
    ["Name", ({ name }) => name],
    ["Address", ({ address }) => Array.isArray(address) ? address.join(", ") : address],
    ["Host name", (peer) => peer["host-name"]],
    ["Version", (peer) => peer["proto-version"], "number"],
    ["Tunnels up", ({ name }) => whole(upOf(name)), "number"],
    ["Why not", ({ name }) => whyNot(name), "wide"],
  ]),
  down: new Table("down", "All that the configuration asks for is there.", ({ path }) => path, [
    ["What", ({ path }) => path],
    ["Since", ({ since }) => clock(since)],
    ["Why", ({ reason }) => [reason, "bad"], "wide"],
  ]),
  failures: new Table(
    "failures",
    "Nothing was refused, and nothing failed.",
    (one) => JSON.stringify([one.stage, one.reason, one.remote, one.tunnel, one.session]),
    [
      ["Last", (one) => clock(one["last-at"])],
      ["Stage", ({ stage }) => stage],
      ["Reason", ({ reason }) => [reason, "bad"]],
      ["From", ({ remote }) => remote],
      ["Peer", (one) => one.peer ?? one["host-name"]],
      ["Tunnel", ({ tunnel }) => tunnel],
      ["Times", ({ count }) => whole(count), "number"],
      ["Message", ({ message }) => message, "wide"],
    ],
  ),
  drops: new Table("drops", "No frame was dropped.", ([reason]) => reason, [
    ["Reason", ([reason]) => reason],
    ["Frames", ([, count]) => whole(count), "number"],
    ["In the last seconds", ([, , news]) => news > 0 ? [`+${whole(news)}`, "wait"] : "", "number"],
  ]),
  events: new Table(
    "events",
    "Nothing has happened since this page was opened.",
    ({ key }) => key,
    [
      ["Time", ({ time }) => clock(time)],
      ["What", ({ type, name, stage }) => name ?? stage ?? type.replace("-state", "")],
      ["Tunnel", ({ tunnel }) => tunnel],
      ["Session", ({ session }) => session],
      ["Peer", ({ peer, remote }) => peer ?? remote],
      [
        "State",
        ({ state = "failed", type }) => type === "plugin" ? "" : [state, stateClass(state)],
      ],
      [
        "Why",
        (event) =>
          event.fields
            ? JSON.stringify(event.fields)
            : [event.reason, event.message].filter(Boolean).join(": "),
        "wide",
      ],
    ],
  ),
};

let tunnels = [];
const upOf = (peer) =>
  tunnels.filter(({ control }) => control?.peer === peer && control.state === "established").length;
const whyNot = (peer) =>
  upOf(peer) > 0 ? "" : tunnels.find(({ control }) => control?.peer === peer)?.control.reason ?? "";

function showTotals(sessions, more) {
  const sum = (i) =>
    tunnels.reduce(
      (all, { name, statistics }) => all + (tunnelRates.of(name, statistics)[i] ?? 0),
      0,
    );
  const up = tunnels.filter(({ status }) => status === "up").length;
  const totals = [
    ["Tunnels up", `${up} of ${tunnels.length}${more}`],
    ["Sessions", whole(sessions) + more],
    ["Received", bits(sum(0))],
    ["Sent", bits(sum(1))],
  ];
  byId("totals").replaceChildren(...totals.map(([name, value]) => {
    const pair = document.createElement("div");
    pair.append(element("dt", name), element("dd", value));
    return pair;
  }));
}

function showHealth(text, className) {
  const place = byId("health");
  place.textContent = text;
  place.className = className;
}

let drops = {};
async function quick() {
  const [health, [all, truncated], datapath, { down }] = await Promise.all([
    ask("healthz"),
    list("v1/tunnels", "tunnels"),
    ask("v1/datapath"),
    ask("v1/down"),
  ]);
  showHealth(`${health.version}, up for ${span(health.uptime)}`, "good");
  tunnels = all;
  tables.tunnels.show(tunnels, truncated);
  showTotals(tunnels.reduce((sum, { sessions }) => sum + sessions, 0), truncated ? "+" : "");
  tables.down.show(down);
  const some = Object.entries(datapath.drops).filter(([, count]) => count > 0)
    .map(([reason, count]) => [reason, count, count - (drops[reason] ?? count)])
    .sort(([, a], [, b]) => b - a);
  drops = datapath.drops;
  tables.drops.show(some);
}

/** Tables of plugins (switches, address pools, PPPoE sessions), by their names; empty ones are not shown. */
const views = new Map();

async function showViews() {
  const { views: all } = await ask("v1/views");
  for (const { columns, help, name } of all) {
    const { rows, truncated } = await ask(`v1/views/${encodeURIComponent(name)}`);
    if (rows.length === 0 && !views.has(name)) continue;
    if (!views.has(name)) views.set(name, newView(name, help, columns));
    views.get(name).show(rows.slice(0, MOST), truncated || rows.length > MOST);
  }
}

function newView(name, help, columns) {
  const section = element("section");
  section.id = `view-${name}`;
  const heading = element("h2", `${help.slice(0, 1).toUpperCase()}${help.slice(1)} `);
  heading.append(element("small"));
  const place = element("div", "", "table");
  section.append(heading, place);
  byId("down").before(section);
  const number = ({ name }) => (row) =>
    typeof row[name] === "number" ? whole(row[name]) : row[name];
  return new Table(
    section.id,
    "There is none any more.",
    (row) => JSON.stringify(columns.slice(0, 3).map(({ name }) => row[name])),
    columns.map((column) => [column.name, (row) => cellText(number(column)(row))]),
  );
}

function cellText(value) {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : value;
}

let sessionCount = 0;
async function sessions() {
  const [all, truncated] = await list("v1/sessions", "sessions");
  sessionCount = all.length;
  tables.sessions.show(all, truncated);
}

async function slow() {
  const [{ peers }, { failures }] = await Promise.all([ask("v1/peers"), ask("v1/failures")]);
  tables.peers.show(peers);
  tables.failures.show(failures);
  await showViews();
}

/** Runs `work` now and after each pause, unless nobody sees the page; never twice at once. */
async function again(work, pause) {
  for (;;) {
    try {
      if (!document.hidden) await work();
    } catch (error) {
      showHealth(`no answer: ${error.message}`, "bad");
    }
    await new Promise((resolve) => setTimeout(resolve, pause()));
  }
}

const events = [];
function follow() {
  const source = new EventSource("v1/events");
  const take = ({ data, lastEventId }) => {
    events.unshift({ ...JSON.parse(data), key: lastEventId });
    events.length = Math.min(events.length, EVENTS_KEPT);
    tables.events.show(events);
  };
  for (const type of ["connection-state", "call-state", "failure", "plugin"]) {
    source.addEventListener(type, take);
  }
}

tables.events.show([]);
filter.addEventListener("input", () => {
  for (const table of [...Object.values(tables), ...views.values()]) table.show();
});
again(quick, () => EVERY.quick);
again(sessions, () => sessionCount > MANY ? EVERY.slow : EVERY.quick);
again(slow, () => EVERY.slow);
follow();
