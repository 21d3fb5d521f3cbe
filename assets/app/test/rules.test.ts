import assert from "node:assert/strict";
import { test } from "node:test";
import type { Rule, Tried } from "../api.ts";
import { reportOf, ruleKind } from "../reports.ts";
import { countries, countryCode, kindName, sayCount, sayRule, sayTried } from "../rules.ts";

const rule = (r: Partial<Rule>): Rule => ({ id: 1, kind: "page", value: "/a", mode: "drop", note: "", by: "user 1", time: "2026-05-18T10:00:00Z", count: 0, ...r });

test("rules read as sentences", () => {
  assert.equal(sayRule({ kind: "country", value: "NL" }), "Netherlands");
  assert.equal(sayRule({ kind: "country", value: "ZZ" }), "Country not known");
  assert.match(sayRule({ kind: "address_rate", value: "6000" }), /^More than 6.000 events a minute of one address$/);
  assert.equal(sayRule({ kind: "some_new_kind", value: "x" }), "x");
  assert.equal(kindName("some_new_kind"), "some_new_kind");
});

test("what a rule did is only claimed for days since its last change", () => {
  assert.equal(sayCount(rule({}), 30), "Nothing yet in 30 days");
  assert.equal(sayCount(rule({ mode: "off" }), 30), "");
  assert.equal(sayCount(rule({ id: 0, time: null }), 30), "");
  assert.equal(sayCount(rule({ id: 0, time: null, count: 2, days: { "2026-05-18": 2 } }), 30), "Dropped 2 events in 30 days");
  assert.equal(sayCount(rule({ count: 1, days: { "2026-05-19": 1 } }), 30), "Dropped 1 event in 30 days");
  assert.equal(sayCount(rule({ mode: "watch", count: 3, days: { "2026-05-19": 3 } }), 30), "Would have dropped 3 events in 30 days");
  assert.equal(sayCount(rule({ count: 3, days: { "2026-05-18": 1, "2026-05-19": 2 } }), 30), "Met 3 events in 30 days");
  assert.equal(sayCount(rule({ mode: "off", count: 3, days: { "2026-05-19": 3 } }), 30), "Met 3 events in 30 days");
});

test("what a rule would have done", () => {
  const tried = (t: Partial<Tried>): Tried => ({ value: "/a", events: 4, known: true, would_drop: 0, top: [], advice: "", ...t });
  assert.equal(sayTried(tried({}), 7), "Would have dropped none of the 4 events of the last 7 days.");
  assert.equal(sayTried(tried({ would_drop: 3 }), 7), "Would have dropped 3 of the 4 events of the last 7 days.");
  assert.equal(sayTried(tried({ events: 0 }), 7), "No events of the last 7 days to try it on.");
  assert.equal(sayTried(tried({ known: false, advice: "Watch." }), 7), "Watch.");
  assert.match(sayTried(tried({ known: false }), 7), /^There is a rule about this already/);
  assert.equal(sayTried(tried({ advice: "Another host drops nothing." }), 7), "Another host drops nothing.");
});

test("countries are found by name and by code", () => {
  assert.equal(countryCode(" netherlands "), "NL");
  assert.equal(countryCode("nl"), "NL");
  assert.equal(countryCode("Atlantis"), "Atlantis");
  const all = countries();
  assert.ok(all.length > 240 && all.length < 260);
  assert.equal(new Set(all.map((c) => c.name)).size, all.length, "names are told apart");
  assert.ok(!all.some((c) => c.code === "DD" || c.code === "EU" || c.code === "XA"));
});

test("rows that a rule can leave out", () => {
  assert.equal(ruleKind(reportOf("pages"), "/a"), "page");
  assert.equal(ruleKind(reportOf("exit_pages"), "(not set)"), undefined);
  assert.equal(ruleKind(reportOf("countries"), "NL"), "country");
  assert.equal(ruleKind(reportOf("countries"), ""), undefined);
  assert.equal(ruleKind(reportOf("sources"), "/a"), undefined);
});
