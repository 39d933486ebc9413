import { concat } from "../../../../core/wire/bytes.ts";
import assert from "node:assert/strict";
import { makeSecret } from "./authenticity.ts";
import { hideSalted } from "./hiding.ts";
import type { Attribute } from "./packet.ts";
import { readTunnels } from "./tunnels.ts";

const secret = makeSecret(new TextEncoder().encode("secret"));
const authenticator = Uint8Array.from({ length: 16 }, (_, i) => i);
const octets = (text: string) => new TextEncoder().encode(text);

/** An attribute with a tag. */
function tagged(tag: number, type: number, value: string | number): Attribute {
  const bare = typeof value === "string"
    ? octets(value)
    : Uint8Array.of(value >> 16, value >> 8, value);
  return { vendor: 0, type, value: concat([Uint8Array.of(tag), bare]) };
}

function password(tag: number, text: string, salt: number): Attribute {
  const value = concat([Uint8Array.of(tag), hideSalted(octets(text), salt, authenticator, secret)]);
  return { vendor: 0, type: 69, value };
}

const read = (...attributes: Attribute[]) => readTunnels(attributes, authenticator, secret);

Deno.test("attributes of a tag are one target, in any order; preference decides, and who has none comes last", () => {
  const { targets, malformed } = read(
    tagged(3, 67, "10.0.0.3"),
    tagged(1, 67, "10.0.0.1"),
    tagged(2, 83, 5),
    tagged(1, 64, 3),
    tagged(2, 64, 3),
    tagged(3, 64, 3),
    tagged(2, 67, "lns.example.net"),
    password(1, "one", 1),
    password(2, "two", 2),
    tagged(1, 82, "shared"),
    tagged(1, 83, 10),
    tagged(1, 90, "lac"),
    tagged(1, 91, "lns"),
    tagged(1, 65, 1),
    tagged(1, 66, "10.0.0.99"),
  );
  assert.equal(malformed, 0);
  assert.deepEqual(targets.map(({ server }) => server), [
    "lns.example.net",
    "10.0.0.1",
    "10.0.0.3",
  ]);
  assert.deepEqual(targets[1], {
    tag: 1,
    type: 3,
    server: "10.0.0.1",
    client: "10.0.0.99",
    password: octets("one"),
    assignmentId: "shared",
    preference: 10,
    clientAuthId: "lac",
    serverAuthId: "lns",
  });
  assert.deepEqual(targets[0]!.password, octets("two"));
});

Deno.test("what is no L2TP over IP, or has no server, is no target", () => {
  const target = (tag: number, type: number, medium: number) => [
    tagged(tag, 64, type),
    tagged(tag, 65, medium),
    tagged(tag, 67, `10.0.0.${tag}`),
  ];
  const { targets } = read(
    ...target(1, 3, 1),
    ...target(2, 3, 2),
    ...target(3, 3, 6),
    ...target(4, 1, 1),
    tagged(5, 64, 3),
    tagged(6, 67, "10.0.0.6"),
  );
  assert.deepEqual(targets.map(({ tag }) => tag), [1, 2]);
});

Deno.test("without tags there is one target, and three without preferences keep their tags' order", () => {
  const { targets } = read(
    { vendor: 0, type: 64, value: Uint8Array.of(0, 0, 0, 3) },
    { vendor: 0, type: 67, value: octets("10.0.0.1") },
  );
  assert.deepEqual(targets, [{ tag: 0, type: 3, server: "10.0.0.1" }]);
  const three = [3, 1, 2].flatMap((tag) => [tagged(tag, 64, 3), tagged(tag, 67, `${tag}`)]);
  assert.deepEqual(read(...three).targets.map(({ tag }) => tag), [1, 2, 3]);
});

Deno.test("what is malformed is counted, and the rest of its target stays", () => {
  const { targets, malformed } = read(
    tagged(1, 64, 3),
    tagged(1, 67, "10.0.0.1"),
    { vendor: 0, type: 83, value: Uint8Array.of(1, 2) },
    { vendor: 0, type: 69, value: Uint8Array.of(1, 2, 3) },
    { vendor: 0, type: 82, value: new Uint8Array(0) },
  );
  assert.equal(malformed, 3);
  assert.deepEqual(targets, [{ tag: 1, type: 3, server: "10.0.0.1" }]);
});
