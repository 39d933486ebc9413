import assert from "node:assert/strict";
import { PseudowireType } from "../../core/pseudowire.ts";
import { plainCall } from "../config/calls.ts";
import { isBroken, makeCallTemplate } from "./call_template.ts";

Deno.test("calls that ask for no circuit lack none; those that ask for one do until they have it", () => {
  const plain = plainCall("office", 3, PseudowireType.Ethernet, { sequencing: false });
  assert.equal(isBroken(makeCallTemplate("peers/hq/accept/0", plain)), false);
  const circuit = { plugin: "sink", options: {} };
  assert.equal(isBroken(makeCallTemplate("peers/hq/accept/0", { ...plain, circuit })), true);
});
