import assert from "node:assert/strict";
import { Lcce } from "../../core/lcce.ts";
import { Netsim, testCall, testSettings } from "../../core/testing.ts";
import { A, B, generous, versions } from "./support.ts";

/** What an LCCE has to send, one after the other. */
function outputs(lcce: Lcce): Uint8Array[] {
  const sent: Uint8Array[] = [];
  for (let next = lcce.poll(); next; next = lcce.poll()) {
    if (next.type === "transmit") sent.push(next.data);
  }
  return sent;
}

Deno.test("Lcce acknowledges once what it was given together, at the end or on the way", () => {
  for (const version of versions) {
    const settings = testSettings({ version, receiveWindow: 200 });
    const net = new Netsim(1);
    const policy = () => ({ kind: "accept", settings }) as const;
    const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
    const [a, b] = [0, 1].map(() => new Lcce({ policy, random, limits: generous })) as [Lcce, Lcce];
    const [toA, toB] = [net.path(B, A), net.path(A, B)];
    const handle = a.dial(settings, toB, 0);
    // Until the connection is up and all is acknowledged.
    for (let forth = outputs(a); forth.length > 0; forth = outputs(a)) {
      for (const data of forth) b.receive(data, toA, 0);
      for (const data of outputs(b)) a.receive(data, toB, 0);
    }
    assert.equal(a.connection(handle)?.state, "established");
    // Twice, as the window grows with what is acknowledged.
    for (const calls of [8, 100]) {
      for (let i = 0; i < calls; i++) a.placeCall(handle, "incoming-caller", testCall(), 0);
      let answers = 0, requests = 0;
      for (let forth = outputs(a); forth.length > 0; forth = outputs(a)) {
        requests += forth.length;
        forth.forEach((data, i) => b.receive(data, toA, 0, i < forth.length - 1));
        const back = outputs(b);
        assert.ok(back.length <= Math.ceil(forth.length / 64), `${back.length} of ${forth.length}`);
        answers += back.length;
        for (const data of back) a.receive(data, toB, 0);
      }
      assert.equal(requests, calls, "nobody had to wait for an acknowledgement that did not come");
      assert.ok(answers > 0);
    }
  }
});
