/**
 * The option negotiation automaton of PPP (RFC 1661 §4.1): one table, used by LCP and all network control protocols.
 *
 * @module
 */

/** States, in the RFC's words (§4.2). */
export type State =
  | "initial"
  | "starting"
  | "closed"
  | "stopped"
  | "closing"
  | "stopping"
  | "req-sent"
  | "ack-rcvd"
  | "ack-sent"
  | "opened";

/** Events (§4.3). */
export type Event =
  | "up"
  | "down"
  | "open"
  | "close"
  | "TO+"
  | "TO-"
  | "RCR+"
  | "RCR-"
  | "RCA"
  | "RCN"
  | "RTR"
  | "RTA"
  | "RUC"
  | "RXJ+"
  | "RXJ-"
  | "RXR";

/** Actions (§4.4). */
export type Action =
  | "tlu"
  | "tld"
  | "tls"
  | "tlf"
  | "irc"
  | "zrc"
  | "scr"
  | "sca"
  | "scn"
  | "str"
  | "sta"
  | "scj"
  | "ser";

/** What an event leads to: actions in their order, and the next state. */
export interface Transition {
  readonly actions: readonly Action[];
  readonly next: State;
}

const states: readonly State[] = [
  "initial",
  "starting",
  "closed",
  "stopped",
  "closing",
  "stopping",
  "req-sent",
  "ack-rcvd",
  "ack-sent",
  "opened",
];

/** The RFC's table, a row an event and a column a state; `-` cannot happen, and what does so is passed over. */
// deno-fmt-ignore
const table: Readonly<Record<Event, string>> = {
  //        initial starting   closed     stopped        closing stopping req-sent  ack-rcvd  ack-sent  opened
  "up":    "2       irc,scr/6  -          -              -       -        -         -         -         -",
  "down":  "-       -          0          tls/1          0       1        1         1         1         tld/1",
  "open":  "tls/1   1          irc,scr/6  3              5       5        6         7         8         9",
  "close": "0       tlf/0      2          2              4       4        irc,str/4 irc,str/4 irc,str/4 tld,irc,str/4",
  "TO+":   "-       -          -          -              str/4   str/5    scr/6     scr/6     scr/8     -",
  "TO-":   "-       -          -          -              tlf/2   tlf/3    tlf/3     tlf/3     tlf/3     -",
  "RCR+":  "-       -          sta/2      irc,scr,sca/8  4       5        sca/8     sca,tlu/9 sca/8     tld,scr,sca/8",
  "RCR-":  "-       -          sta/2      irc,scr,scn/6  4       5        scn/6     scn/7     scn/6     tld,scr,scn/6",
  "RCA":   "-       -          sta/2      sta/3          4       5        irc/7     scr/6     irc,tlu/9 tld,scr/6",
  "RCN":   "-       -          sta/2      sta/3          4       5        irc,scr/6 scr/6     irc,scr/8 tld,scr/6",
  "RTR":   "-       -          sta/2      sta/3          sta/4   sta/5    sta/6     sta/6     sta/6     tld,zrc,sta/5",
  "RTA":   "-       -          2          3              tlf/2   tlf/3    6         6         8         tld,scr/6",
  "RUC":   "-       -          scj/2      scj/3          scj/4   scj/5    scj/6     scj/7     scj/8     scj/9",
  "RXJ+":  "-       -          2          3              4       5        6         6         8         9",
  "RXJ-":  "-       -          tlf/2      tlf/3          tlf/2   tlf/3    tlf/3     tlf/3     tlf/3     tld,irc,str/5",
  "RXR":   "-       -          2          3              4       5        6         7         8         ser/9",
};

/** Events of the table. */
export const events = Object.keys(table) as readonly Event[];

const transitions = new Map(
  events.map((event) => {
    const cells = table[event].trim().split(/\s+/);
    return [event, new Map(cells.map((cell, i) => [states[i]!, parseCell(cell)]))];
  }),
);

/** What `event` leads to in `state`; undefined: it cannot happen there (a lower layer that is not up, §4.1). */
export function transition(state: State, event: Event): Transition | undefined {
  return transitions.get(event)!.get(state);
}

/** Whether a timer runs in the state (§4.2). */
export function isTimed(state: State): boolean {
  return state === "closing" || state === "stopping" || state === "req-sent" ||
    state === "ack-rcvd" || state === "ack-sent";
}

function parseCell(cell: string): Transition | undefined {
  if (cell === "-") return undefined;
  const [next, actions] = cell.split("/").reverse();
  return { actions: (actions?.split(",") ?? []) as Action[], next: states[Number(next)]! };
}
