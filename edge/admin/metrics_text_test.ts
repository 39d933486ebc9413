import assert from "node:assert/strict";
import { metricText } from "./metrics_text.ts";

Deno.test("a metric is as the text format has it: help, type, values, and what has a meaning escaped", () => {
  assert.equal(
    metricText(["counter", "a_total", "frames with \\ and\nmore", [[{}, 7]]]),
    "# HELP a_total Frames with \\\\ and\\nmore.\n# TYPE a_total counter\na_total 7\n",
  );
  assert.equal(
    metricText(["gauge", "b", "Of each.", [
      [{ peer: 'a "b" \\ c\n', status: "up" }, 0.25],
      [{ peer: "é", status: "down" }, Infinity],
      [{ peer: "", status: "x" }, NaN],
    ]]),
    [
      "# HELP b Of each.",
      "# TYPE b gauge",
      'b{peer="a \\"b\\" \\\\ c\\n",status="up"} 0.25',
      'b{peer="é",status="down"} +Inf',
      'b{peer="",status="x"} NaN',
      "",
    ].join("\n"),
  );
  assert.equal(metricText(["gauge", "c", "None yet", []]), "# HELP c None yet.\n# TYPE c gauge\n");
});
