import assert from "node:assert/strict";
import { test } from "node:test";
import type { Reason } from "../api.ts";
import { barsOf, reasonName, summary } from "../dropped.ts";

const reason = (name: string, days: Record<string, number>): Reason => ({ reason: name, help: "", count: Object.values(days).reduce((a, b) => a + b, 0), days });

test("how much of what came was not counted", () => {
  const say = (counted: number, ...dropped: number[]) => {
    const { lead, rest } = summary({ counted, reasons: dropped.map((n) => reason("bot", { "2026-03-01": n })), watched: [], other: [] });
    return lead + rest;
  };
  assert.equal(say(0), "No events came in this period.");
  assert.equal(say(1), "The one event that came was counted.");
  assert.match(say(1234), /^All 1.234 events that came were counted.$/);
  assert.equal(say(0, 3, 1), "None of the 4 events that came were counted.");
  assert.match(say(42_425, 5000, 785), /^12% of 48.210 events were not counted.$/);
  assert.match(say(99_999, 1), /^<0.1% of 100.000 events were not counted.$/);
});

test("reasons have names, also those that this page does not know", () => {
  assert.equal(reasonName("bot"), "Robots");
  assert.equal(reasonName("some_new_thing"), "Some new thing");
});

test("bars sum the days of each bucket, and lose none", () => {
  const reasons = [reason("bot", { "2026-03-04": 5, "2026-03-09": 2, "2026-04-01": 1 }), reason("spam_referrer", { "2026-03-04": 3 })];
  const range = { first: "2026-03-04", last: "2026-04-02" }; // from a Wednesday
  const days = barsOf(reasons, "spam_referrer", range, "day");
  assert.equal(days.length, 30);
  assert.deepEqual(days[0], { label: "2026-03-04", all: 8, picked: 3 });
  assert.deepEqual(barsOf(reasons, undefined, range, "hour"), barsOf(reasons, undefined, range, "day"));
  assert.deepEqual(barsOf(reasons, "bot", range, "week").map((b) => [b.label, b.all, b.picked]), [
    ["2026-03-04", 8, 5], ["2026-03-09", 2, 2], ["2026-03-16", 0, 0], ["2026-03-23", 0, 0], ["2026-03-30", 1, 1],
  ]);
  assert.deepEqual(barsOf(reasons, undefined, range, "month").map((b) => [b.label, b.all]), [["2026-03-01", 10], ["2026-04-01", 1]]);
});
