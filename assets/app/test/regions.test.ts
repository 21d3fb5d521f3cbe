import assert from "node:assert/strict";
import { test } from "node:test";
import { codesNamed, regionIn } from "../regions.ts";
import { clause, hides, plural, reportOf } from "../reports.ts";

const known = { DE: { BE: "Berlin", BY: "Bavaria" }, GB: { ENG: "England" }, CA: { ON: "Ontario" } };

test("regions have names", () => {
  assert.equal(regionIn(known, "DE-BY"), "Bavaria");
  assert.equal(regionIn(known, "GB-ENG"), "England");
  assert.equal(regionIn(known, "DE-XX"), "DE-XX");
  assert.equal(regionIn(known, "Bahia"), "Bahia");
  assert.equal(regionIn({}, "DE-BY"), "DE-BY");
});

test("regions are found by what their names contain", () => {
  assert.deepEqual(codesNamed(known, "B", 9), ["DE-BE", "DE-BY"]);
  assert.deepEqual(codesNamed(known, "LAND", 9), ["GB-ENG"]);
  assert.deepEqual(codesNamed(known, "a", 2), ["DE-BY", "GB-ENG"]);
});

test("rows without a place are left out", () => {
  assert.ok(hides(reportOf("cities"), ""));
  assert.ok(!hides(reportOf("countries"), ""));
  assert.equal(clause(reportOf("regions"), "DE-BY"), "DE-BY");
  assert.deepEqual([plural(reportOf("cities")), plural(reportOf("regions")), plural(reportOf("countries")), plural(reportOf("pages"))], ["Cities", "Regions", "Countries", "Pages"]);
});
