import { ppp } from "../../mod.ts";
import { testPlugin } from "../../../testing/contract.ts";

/** The section with RADIUS in it, and one part of it otherwise. */
function section(more: object = {}) {
  const { data, error } = ppp.section!.schema.safeParse({
    aaa: { authenticate: ["radius"], account: ["radius"] },
    radius: {
      servers: { one: { address: "192.0.2.1", secret: "the first secret" } },
      coa: { clients: [{ address: "192.0.2.1", secret: "the second secret" }] },
      ...more,
    },
  });
  if (!data) throw new Error(JSON.stringify(error));
  return data;
}

function terminate(more: object = {}) {
  const given = { tun: { name: "ppp0" }, address: "10.64.0.1", ...more };
  const { data, error } = ppp.options!.safeParse({ terminate: given });
  if (!data) throw new Error(JSON.stringify(error));
  return data;
}

testPlugin({
  plugin: ppp,
  options: terminate(),
  changed: terminate({ "echo-interval": 5 }),
  section: section(),
  changedSection: section({
    servers: { two: { address: "192.0.2.2", secret: "the first secret" } },
    coa: { port: 3798, clients: [{ address: "192.0.2.1", secret: "the second secret" }] },
  }),
  words: { disconnect: { user: "nobody" }, drain: {}, undrain: {} },
  secrets: ["the first secret", "the second secret"],
});
