import assert from "node:assert/strict";
import { Cause, networkEnd, normalEnd } from "./link/end.ts";
import { Protocol } from "./link/wire.ts";
import { callEndOf, terminateCauseOf } from "./why.ts";

Deno.test("an end for want of a network is told in RFC 3145's codes and RFC 2866's causes", () => {
  const end = (how: Parameters<typeof networkEnd>[2]) => networkEnd("why", Protocol.Ipcp, how);
  assert.deepEqual(
    (["no-answer", "rejected", "not-agreed", "terminated"] as const).map((how) =>
      callEndOf(end(how)).ppp!.code
    ),
    [17, 18, 19, 19],
  );
  assert.equal(terminateCauseOf(end("rejected")), "user-error");
  const { cause, ...rest } = end("rejected");
  const lacking = { ...rest, cause: { ...cause, code: Cause.NotPermitted } };
  assert.equal(terminateCauseOf(lacking), "service-unavailable");
  assert.equal(terminateCauseOf(normalEnd("peer", "enough")), "user-request");
});
