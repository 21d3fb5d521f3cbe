import assert from "node:assert/strict";
import { test } from "node:test";
import { type Filter, hasPage, invert, pick, toApi } from "../filters.ts";
import { clause, drill, hides, reportOf, rowName } from "../reports.ts";
import { formatView, parseView, withChoice } from "../view.ts";

test("an empty address is the normal view, and the normal view is an empty address", () => {
  const v = parseView("");
  assert.equal(v.period, undefined);
  assert.equal(v.metric, "visitors");
  assert.equal(v.compare, true);
  assert.deepEqual(v.filters, []);
  assert.equal(formatView(v), "");
});

test("every part of a view survives the address", () => {
  for (const search of [
    "?period=30d&date=2026-03-01",
    "?period=custom&from=2026-01-01&to=2026-02-01",
    "?f=is,page,/a,/b&f=is_not,country,DE&f=contains,source,Hacker+News",
    "?metric=bounce_rate&interval=week&compare=off",
    "?sources=utm_campaign&pages=exit_pages&devices=sizes&details=pages",
    "?view=install",
    "?view=rules",
    "?period=7d&view=rules&rule=page,/a%2Cb/**",
  ]) {
    assert.equal(formatView(parseView(search)), search);
  }
});

test("values with commas, plus signs, ampersands and percent signs survive", () => {
  const filters: Filter[] = [{ op: "is", key: "page", values: ["/a,b", "/c&d=e", "/50%", "/x+y z", "/ü", "#h"] }];
  const v = { ...parseView(""), filters };
  assert.deepEqual(parseView(formatView(v)).filters, filters);
});

test("what makes no sense is passed over", () => {
  const v = parseView("?period=fortnight&date=2026-02-31&metric=profit&interval=year&sources=pages&details=attic&f=is,page&f=like,page,/a&f=is,shoe_size,44&f=%E0%A4%A,x,y");
  assert.deepEqual(v, parseView(""));
  assert.equal(parseView("?period=custom&from=2026-01-01").period, undefined);
  assert.equal(parseView("?" + "f=is,page,/a&".repeat(50)).filters.length, 20);
});

test("Plausible's name for sizes is understood", () => {
  assert.deepEqual(parseView("?f=is,screen,Mobile").filters, [{ op: "is", key: "device", values: ["Mobile"] }]);
});

test("a new period drops the old one's dates and interval", () => {
  const v = withChoice(parseView("?period=custom&from=2026-01-01&to=2026-02-01&interval=week&f=is,os,Linux"), { period: "7d" });
  assert.equal(formatView(v), "?period=7d&f=is,os,Linux");
});

test("a click on a row pins, a second one lets go", () => {
  const one = pick([], "page", "/a");
  assert.deepEqual(one, [{ op: "is", key: "page", values: ["/a"] }]);
  assert.deepEqual(pick(one, "page", "/b"), [{ op: "is", key: "page", values: ["/b"] }]);
  assert.deepEqual(pick(one, "page", "/a"), []);
  const not = [invert(one[0]!)];
  assert.deepEqual(pick(not, "page", "/b"), [...not, { op: "is", key: "page", values: ["/b"] }]);
});

test("filters as the API wants them", () => {
  assert.deepEqual(toApi([{ op: "is", key: "page", values: ["/a"] }, { op: "contains_not", key: "source", values: ["x"] }]), [
    ["is", "event:page", ["/a"]],
    ["contains_not", "visit:source", ["x"], { case_sensitive: false }],
  ]);
  assert.ok(hasPage([{ op: "is_not", key: "page", values: ["/a"] }]));
  assert.ok(!hasPage([{ op: "is", key: "entry_page", values: ["/a"] }]));
});

test("reports look deeper where one value is left", () => {
  const chrome: Filter[] = [{ op: "is", key: "browser", values: ["Chrome"] }];
  const versions = drill(reportOf("browsers"), chrome);
  assert.equal(versions.filter, "browser_version");
  assert.equal(rowName(versions, "126.0", chrome), "Chrome 126.0");
  assert.equal(drill(reportOf("browsers"), [invert(chrome[0]!)]).filter, "browser");
  assert.equal(drill(reportOf("sources"), [{ op: "is", key: "source", values: ["Direct / None"] }]).filter, "source");
});

test("rows without a value", () => {
  assert.equal(clause(reportOf("countries"), ""), undefined);
  assert.equal(clause(reportOf("entry_pages"), ""), "(not set)");
  assert.ok(hides(reportOf("utm_term"), "(not set)"));
  assert.ok(!hides(reportOf("browsers"), "(not set)"));
});
