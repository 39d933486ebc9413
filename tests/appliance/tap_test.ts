import { pathsOf } from "../../edge/appliance/part.ts";
import assert from "node:assert/strict";
import { makeNamespace, namespacesAvailable } from "../../edge/testing/netns.ts";
import { freePort, loopback, type Node, startNode, until } from "./support.ts";

const ignore = !namespacesAvailable();
const [A, B] = [loopback(81), loopback(82)];

function config(me: 1 | 2, port: number, circuit: string): string {
  const [local, remote] = me === 1 ? [A, B] : [B, A];
  return `listen: [{ udp: "${local}:${port}" }]
tunnels:
  branch:
    static: { tunnel-id: ${me}, peer-tunnel-id: ${3 - me} }
    local: "${local}:${port}"
    remote: "${remote}:${port}"
    sessions:
      office: { session-id: ${me}, peer-session-id: ${3 - me}, mtu: 1446, circuit: { ${circuit} } }
`;
}

const stateOf = async ({ appliance }: Node) => (await appliance.tunnel("branch")).sessions[0]!;

Deno.test({
  name: "the kernel behind a TAP answers a probe's pings, and the device goes with the appliance",
  ignore,
  async fn() {
    await using space = await makeNamespace("tap");
    const show = () => space.ip("address", "show", "dev", "office0");
    const port = freePort(A);
    const tap = (more = "") =>
      `tap: { name: office0, netns: ${space.name}, addresses: [10.4.0.1/24]${more} }`;
    const probe = "probe: { address: 10.4.0.2/24, ping: 10.4.0.1, interval-ms: 20 }";
    await using right = await startNode(config(2, port, probe));
    {
      await using left = await startNode(config(1, port, tap()));
      assert.match((await show()).text, /LOWER_UP[^]*mtu 1446[^]*10\.4\.0\.1\/24/);
      const { ifname, mtu, status } = await stateOf(left);
      assert.deepEqual([ifname, mtu, status], ["office0", 1446, "up"]);
      await until(async () => {
        const details = (await stateOf(right)).circuit?.shown as { received: number };
        return details.received > 3;
      });
      left.text = config(1, port, tap(", mtu: 1300, mac: '02:00:00:00:00:09'"));
      await left.appliance.reload();
      assert.match((await show()).text, /mtu 1300[^]*02:00:00:00:00:09/);
    }
    assert.equal((await show()).success, false);
  },
});

Deno.test({
  name: "a TAP that vanishes takes its session down, and a reload makes it again",
  ignore,
  async fn() {
    await using space = await makeNamespace("gone");
    const circuit = `tap: { name: office0, netns: ${space.name} }`;
    await using node = await startNode(config(1, freePort(A), circuit));
    await space.ip("link", "delete", "office0");
    await until(async () => (await stateOf(node)).status === "down");
    assert.equal((await stateOf(node)).reason, `TAP office0@${space.name} vanished`);
    assert.ok(node.lines.some((line) => line.includes("session down")));
    assert.deepEqual(pathsOf(await node.appliance.reload(), "restarted"), [
      "tunnels/branch/sessions/office",
    ]);
    assert.equal((await stateOf(node)).status, "up");
    assert.ok((await space.ip("link", "show", "dev", "office0")).success);
  },
});

Deno.test({
  name:
    "a TAP whose namespace is deleted says so, lets it go, and is back with the same MAC when it is",
  ignore,
  async fn() {
    const space = await makeNamespace("back");
    const circuit = `tap: { name: office0, netns: ${space.name} }`;
    await using node = await startNode(config(1, freePort(A), circuit));
    const macOf = (text: string) => /link\/ether (\S+)/.exec(text)?.[1];
    const mac = macOf((await space.ip("link", "show", "office0")).text);
    assert.ok(mac);
    await space[Symbol.asyncDispose]();
    await until(async () => (await stateOf(node)).status === "down");
    assert.match((await stateOf(node)).reason!, /office0/);
    await using again = await makeNamespace("back");
    const deadline = performance.now() + 40_000;
    const isUp = async () => (await stateOf(node)).status === "up";
    while (!await isUp() && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.equal((await stateOf(node)).status, "up");
    assert.equal(macOf((await again.ip("link", "show", "office0")).text), mac);
  },
});

Deno.test({
  name: "a TAP that cannot be had is refused with its reason, and nothing is left",
  ignore,
  async fn() {
    await using space = await makeNamespace("bad");
    await using node = await startNode(
      config(1, freePort(A), `tap: { name: office0, netns: ${space.name} }`),
    );
    const before = node.appliance.config();
    const refused = async (options: Record<string, string | number>, attribute: string) => {
      const change = { circuit: { plugin: "tap", options } };
      await assert.rejects(node.appliance.changeSession("branch", "office", change), { attribute });
      assert.deepEqual(node.appliance.config(), before);
      assert.equal((await stateOf(node)).status, "up");
    };
    await refused({ name: "lo", netns: space.name }, "circuit.tap.name");
    await refused({ name: "office0", netns: "no-such-namespace" }, "circuit.tap.name");
    await refused({ name: "sixteen-byteslong" }, "circuit.tap.name");
  },
});

Deno.test({
  name: "a reload keeps the device itself, unless the file names another that can be had",
  ignore,
  async fn() {
    await using space = await makeNamespace("same");
    const port = freePort(A);
    const file = (name: string, more = "") =>
      config(1, port, `tap: { name: ${name}, netns: ${space.name}${more} }`);
    await using node = await startNode(file("office0"));
    const index = async (name: string) => {
      const { success, text } = await space.ip("-o", "link", "show", "dev", name);
      return success ? text.slice(0, text.indexOf(":")) : undefined;
    };
    const first = await index("office0");
    node.text = file("office0", ", mtu: 1300");
    assert.deepEqual(pathsOf(await node.appliance.reload(), "changed"), [
      "tunnels/branch/sessions/office",
    ]);
    assert.equal(await index("office0"), first);
    node.text = file("lo");
    await assert.rejects(node.appliance.reload(), { attribute: "circuit.tap.name" });
    assert.deepEqual([await index("office0"), (await stateOf(node)).status], [first, "up"]);
    node.text = file("office1");
    await node.appliance.reload();
    assert.equal(await index("office0"), undefined);
    assert.notEqual(await index("office1"), undefined);
    assert.equal((await stateOf(node)).ifname, "office1");
  },
});
