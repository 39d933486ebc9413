import assert from "node:assert/strict";
import { type DatagramAddress, openDatagrams } from "./datagrams.ts";
import { openLibc } from "./libc.ts";
import { makeNamespace, namespacesAvailable } from "../testing/netns.ts";

/** Collects datagrams, and waits for them. */
function collector() {
  const got: { text: string; from: DatagramAddress }[] = [];
  return {
    got,
    take(datagram: Uint8Array, from: DatagramAddress) {
      got.push({ text: new TextDecoder().decode(datagram), from });
    },
    async until(count: number) {
      const late = performance.now() + 5000;
      while (got.length < count) {
        assert.ok(performance.now() < late, `${got.length} of ${count} came`);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    },
  };
}

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("datagrams cross between sockets of either family and one of both, and tell where they came from", async () => {
  using libc = openLibc();
  const datagrams = openDatagrams(libc);
  const [v4, v6, any] = [collector(), collector(), collector()];
  const a = datagrams.open({ local: "127.0.0.1" }, v4.take);
  const b = datagrams.open({ local: "::1" }, v6.take);
  const c = datagrams.open({}, any.take);
  assert.ok(a.send(bytes("four"), { address: "127.0.0.1", port: c.port }));
  assert.ok(b.send(bytes("six"), { address: "::1", port: c.port }));
  await any.until(2);
  const known = any.got.map(({ from, text }) => `${text} ${from.address} ${from.port}`).sort();
  assert.deepEqual(known, [`four 127.0.0.1 ${a.port}`, `six ::1 ${b.port}`]);
  for (const { from } of any.got) assert.ok(c.send(bytes("back"), from));
  await v4.until(1);
  await v6.until(1);
  assert.equal(v4.got[0]!.from.port, c.port);
  for (const socket of [a, b, c]) await socket.close();
  assert.equal(a.send(bytes("late"), { address: "127.0.0.1", port: c.port }), false);
  await a.close();
});

Deno.test("a burst is read whole, an over-long datagram is dropped and counted, and a socket closes amid its batch", async () => {
  using libc = openLibc();
  const datagrams = openDatagrams(libc);
  const burst = collector();
  const receiver = datagrams.open({ local: "127.0.0.1" }, burst.take);
  const sender = datagrams.open({ local: "127.0.0.1" }, () => {});
  const to = { address: "127.0.0.1", port: receiver.port };
  assert.ok(sender.send(new Uint8Array(9217), to));
  for (let i = 0; i < 1000; i++) assert.ok(sender.send(bytes(`${i}`), to));
  await burst.until(1000);
  assert.deepEqual(
    burst.got.map(({ text }) => Number(text)),
    Array.from({ length: 1000 }, (_, i) => i),
  );
  assert.equal(receiver.drops(), 1);
  let taken = 0;
  const first = Promise.withResolvers<void>();
  const shy = datagrams.open({ local: "127.0.0.1" }, () => {
    taken++;
    void shy.close();
    first.resolve();
  });
  for (let i = 0; i < 10; i++) sender.send(bytes("x"), { address: "127.0.0.1", port: shy.port });
  await first.promise;
  assert.equal(taken, 1);
  for (const socket of [sender, receiver]) await socket.close();
});

Deno.test("what cannot be opened says why, and leaves nothing behind", () => {
  using libc = openLibc();
  const datagrams = openDatagrams(libc);
  assert.throws(() => datagrams.open({ local: "192.0.2.7" }, () => {}), { code: "EADDRNOTAVAIL" });
  assert.throws(() => datagrams.open({ local: "nowhere" }, () => {}), { code: "EINVAL" });
});

Deno.test({
  name: "a socket lives in the namespace that it was opened in",
  ignore: !namespacesAvailable(),
  async fn() {
    await using namespace = await makeNamespace("datagrams");
    await namespace.ip("link", "set", "lo", "up");
    using libc = openLibc();
    const datagrams = openDatagrams(libc);
    const inside = collector();
    const netns = namespace.name;
    const socket = datagrams.open({ local: "127.0.0.1", netns }, inside.take);
    const same = { local: "127.0.0.1", port: socket.port };
    const outside = datagrams.open(same, () => assert.fail("it left its namespace"));
    const sender = datagrams.open({ local: "127.0.0.1", netns }, () => {});
    assert.ok(sender.send(bytes("in"), { address: "127.0.0.1", port: socket.port }));
    await inside.until(1);
    for (const open of [socket, outside, sender]) await open.close();
  },
});
