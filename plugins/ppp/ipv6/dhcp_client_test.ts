import assert from "node:assert/strict";
import { seededOctets } from "../link/testing.ts";
import { DhcpClient } from "./dhcp_client.ts";
import { DhcpServer } from "./dhcp_server.ts";
import { type DhcpMessage, emitMessage, MessageType, parseMessage } from "./dhcpv6.ts";

const names = Object.fromEntries(Object.entries(MessageType).map(([name, type]) => [type, name]));

/** A client and a server, which answers no more than so many messages, time, and a wire that can be cut. */
function bench({ free = ["2001:db8:100::/56"], rapid = true, answers = Infinity } = {}) {
  const said: string[] = [];
  const changes: (string | undefined)[] = [];
  let server = makeServer();
  let cut = false;
  let now = 0;
  function makeServer() {
    const left = [...free];
    return new DhcpServer({
      duid: Uint8Array.of(0, 4, 7),
      dns: ["2001:db8::53"],
      search: ["example.com"],
      validS: 4000,
    }, {
      take: (_kind, _iaid, wish, only) => {
        const at = left.indexOf(wish ?? left[0]!);
        return only && at < 0 ? undefined : left.splice(Math.max(0, at), 1)[0];
      },
      give: (_kind, text) => void left.push(text),
      changed() {},
    });
  }
  const client: DhcpClient = new DhcpClient(Uint8Array.of(0, 3, 1), true, seededOctets(3), {
    send(message) {
      said.push(names[message.type]!);
      if (cut || said.length > answers) return;
      const options = rapid ? message.options : message.options.filter(({ code }) => code !== 14);
      const copy = parseMessage(emitMessage({ ...message, options })) as DhcpMessage;
      const answer = server.answer(copy);
      if (answer) queue.push(answer);
    },
    changed: () => void changes.push(client.prefix),
  });
  const queue: DhcpMessage[] = [];
  const drain = () => {
    for (let one = queue.shift(); one; one = queue.shift()) client.input(one, now);
  };
  return {
    client,
    said,
    changes,
    begin() {
      client.start(now);
      drain();
    },
    cut: (is: boolean) => void (cut = is),
    restart: () => void (server = makeServer()),
    pass(seconds: number) {
      const end = now + seconds * 1000;
      while (client.deadline !== undefined && client.deadline <= end) {
        now = Math.max(now, client.deadline);
        client.timeout(now);
        drain();
      }
      now = end;
    },
  };
}

Deno.test("a prefix is asked for in four messages, or in two", () => {
  const slow = bench({ rapid: false });
  slow.begin();
  assert.deepEqual(slow.said, ["Solicit", "Request"]);
  assert.equal(slow.client.prefix, "2001:db8:100::/56");
  assert.deepEqual(slow.client.dns, ["2001:db8::53"]);
  const rapid = bench();
  rapid.begin();
  assert.deepEqual(rapid.said, ["Solicit"]);
  assert.deepEqual(rapid.changes, ["2001:db8:100::/56"]);
});

Deno.test("it is renewed at T1, also from a server that was started again", () => {
  const { begin, client, pass, restart, said } = bench();
  begin();
  pass(1001);
  assert.deepEqual(said, ["Solicit", "Renew"]);
  restart();
  pass(1001);
  assert.deepEqual(said, ["Solicit", "Renew", "Renew"]);
  assert.equal(client.prefix, "2001:db8:100::/56");
});

Deno.test("where nobody answers it is asked again, ever more slowly; then rebound, then over", () => {
  const { begin, changes, client, cut, pass, said } = bench();
  begin();
  cut(true);
  pass(1599);
  assert.ok(said.filter((one) => one === "Renew").length >= 4);
  assert.ok(!said.includes("Rebind"));
  pass(10);
  assert.ok(said.includes("Rebind"));
  pass(2400);
  assert.equal(client.prefix, undefined);
  assert.deepEqual(changes, ["2001:db8:100::/56", undefined]);
  const solicits = said.filter((one) => one === "Solicit").length;
  pass(3600);
  const more = said.filter((one) => one === "Solicit").length - solicits;
  assert.ok(more > 3 && more < 15, `${more}`);
  cut(false);
  pass(7200);
  assert.equal(client.prefix, "2001:db8:100::/56");
});

Deno.test("a server that has nothing is asked again in time, and what is given back is said", () => {
  const none = bench({ free: [], rapid: false });
  none.begin();
  none.pass(30);
  assert.ok(none.said.length > 2 && none.said.length < 10);
  assert.equal(none.client.prefix, undefined);
  const had = bench();
  had.begin();
  had.client.stop(1000);
  assert.deepEqual(had.said, ["Solicit", "Release"]);
  assert.equal(had.client.deadline, undefined);
  const advertised = bench({ rapid: false, answers: 1 });
  advertised.begin();
  advertised.client.stop(1000);
  assert.deepEqual(
    advertised.said,
    ["Solicit", "Request"],
    "what was only offered is not given back",
  );
});
