import assert from "node:assert/strict";
import { CircuitError } from "../plugin.ts";
import { TEST_FRAME_MTU, type TestHost, testHost } from "../testing.ts";
import { ethernet } from "./mod.ts";
import { ethernetOptions } from "./options.ts";

const tapOf = (host: TestHost) => [...host.ports.values()].find(({ tap }) => tap)!.tap!;

Deno.test("ethernet works out the MTU from the path, less its own header", async () => {
  const host = testHost();
  const circuit = await ethernet.provision(host, { name: "office0" });
  const attachment = await circuit.attach(host.session());
  assert.equal(tapOf(host).options.mtu, TEST_FRAME_MTU - 14);
  assert.equal(attachment.mtu, TEST_FRAME_MTU - 14);
  attachment.onFrameMtu!(1300);
  assert.equal(attachment.mtu, 1286);
  await circuit[Symbol.asyncDispose]();
});

Deno.test("ethernet leaves the MTU that its options set", async () => {
  const host = testHost();
  const circuit = await ethernet.provision(host, { name: "office0", mtu: 9000 });
  const attachment = await circuit.attach(host.session());
  attachment.onFrameMtu!(1300);
  assert.equal(attachment.mtu, 9000);
  await circuit.reconfigure!({ name: "office0" });
  assert.equal(attachment.mtu, 1286);
  await circuit[Symbol.asyncDispose]();
});

Deno.test("ethernet refuses a path that leaves no room for IPv4", async () => {
  const host = testHost();
  const circuit = await ethernet.provision(host, { name: "office0" });
  await assert.rejects(
    async () => await circuit.attach({ ...host.session(), frameMtu: 81 }),
    (error) => error instanceof CircuitError && error.option === "mtu",
  );
  await circuit[Symbol.asyncDispose]();
});

Deno.test("ethernet's carrier follows the session", async () => {
  const host = testHost();
  const circuit = await ethernet.provision(host, { name: "office0" });
  const tap = tapOf(host);
  assert.equal(tap.carrier, false);
  const attachment = await circuit.attach({ ...host.session(), up: false });
  assert.equal(tap.carrier, false);
  attachment.onStatus!(true);
  assert.equal(tap.carrier, true);
  await attachment[Symbol.asyncDispose]();
  assert.equal(tap.carrier, false);
  await circuit[Symbol.asyncDispose]();
});

Deno.test("ethernet takes one session: a second call gets CDN result 4", async () => {
  const host = testHost();
  const circuit = await ethernet.provision(host, { name: "office0" });
  const session = host.session();
  await circuit.attach(session);
  const admission = circuit.admit!(session);
  assert.equal(admission.accept === false && admission.result, 4);
  await assert.rejects(async () => await circuit.attach(host.session()), { code: "in-use" });
  await circuit[Symbol.asyncDispose]();
});

Deno.test("ethernet reports a device that vanishes, once", async () => {
  const host = testHost();
  const circuit = await ethernet.provision(host, { name: "office0" });
  await circuit.attach(host.session());
  tapOf(host).vanish();
  assert.deepEqual(host.failures.map(({ code, message }) => [code, message]), [
    ["unavailable", "TAP office0 vanished"],
  ]);
  await circuit[Symbol.asyncDispose]();
  assert.deepEqual(host.leftovers(), []);
});

Deno.test("ethernet puts the device back where new options cannot be had", async () => {
  const host = testHost();
  const first = { name: "office0", mac: "02:00:00:00:00:05", addresses: ["10.0.0.1/24"] };
  const circuit = await ethernet.provision(host, first);
  await circuit.attach(host.session());
  const before = tapOf(host).options;
  host.refuseAfter(0);
  assert.throws(() => circuit.reconfigure!({ name: "office0", mtu: 1000 }), {
    name: "CircuitError",
  });
  assert.deepEqual(tapOf(host).options, before);
  await circuit[Symbol.asyncDispose]();
});

Deno.test("ethernet's schema knows what the kernel takes", () => {
  const wrong = (options: Record<string, unknown>) =>
    ethernetOptions.safeParse({ name: "office0", ...options }).error?.issues[0]?.path[0];
  for (const name of ["", "a/b", "a:b", "a b", "..", "sixteen-byteslong", "t%d", 7]) {
    assert.equal(wrong({ name }), "name", String(name));
  }
  for (const mtu of [67, 65522, 1500.5, "1500"]) assert.equal(wrong({ mtu }), "mtu");
  for (const mac of ["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "02:00:00:00:00"]) {
    assert.equal(wrong({ mac }), "mac");
  }
  for (const address of ["10.0.0.1", "10.0.0.1/33", "fd00::1/129", "x/24"]) {
    assert.equal(wrong({ addresses: [address] }), "addresses");
  }
  assert.equal(wrong({ netns: "../x" }), "netns");
  assert.equal(
    wrong({ mtu: 65521, mac: "0A:00:00:00:00:01", addresses: ["fd00::1/64"] }),
    undefined,
  );
});
