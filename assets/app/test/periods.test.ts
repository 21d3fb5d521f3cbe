import assert from "node:assert/strict";
import { test } from "node:test";
import { addDays, addMonths, countDays, isDay, lastOfMonth, monday, todayIn } from "../dates.ts";
import { type Choice, defaultPeriod, intervalsFor, type PeriodKey, periods, rangeOf, shift, timeLabels } from "../periods.ts";

const today = "2026-03-15"; // a Sunday

const range = (c: Choice) => {
  const r = rangeOf(c, today, "2024-11-05");
  return `${r.first}..${r.last}`;
};

test("each period covers its days", () => {
  const want: Record<Exclude<PeriodKey, "custom">, string> = {
    day: "2026-03-15..2026-03-15",
    yesterday: "2026-03-14..2026-03-14",
    "7d": "2026-03-08..2026-03-14",
    "28d": "2026-02-15..2026-03-14",
    "30d": "2026-02-13..2026-03-14",
    "91d": "2025-12-14..2026-03-14",
    month: "2026-03-01..2026-03-15",
    last_month: "2026-02-01..2026-02-28",
    year: "2026-01-01..2026-03-15",
    "6mo": "2025-09-01..2026-02-28",
    "12mo": "2025-03-01..2026-02-28",
    all: "2024-11-05..2026-03-15",
  };
  for (const [period, days] of Object.entries(want)) assert.equal(range({ period: period as PeriodKey }), days, period);
});

test("a date moves a period, and never past today", () => {
  assert.equal(range({ period: "month", date: "2026-02-01" }), "2026-02-01..2026-02-28");
  assert.equal(range({ period: "year", date: "2025-01-01" }), "2025-01-01..2025-12-31");
  assert.equal(range({ period: "28d", date: "2026-02-15" }), "2026-01-18..2026-02-14");
  assert.equal(range({ period: "custom", from: "2026-02-03", to: "2026-01-02" }), "2026-01-02..2026-02-03");
});

test("all time of a site without data is today", () => {
  assert.deepEqual(rangeOf({ period: "all" }, today, null), { first: today, last: today });
});

test("arrows move by the period's own length and meet without gap", () => {
  for (const p of periods) {
    if (p.key === "all") continue;
    const start: Choice = p.key === "custom" ? { period: "custom", from: "2026-02-01", to: "2026-02-10" } : { period: p.key };
    const back = shift(start, -1, today);
    assert.ok(back, p.key);
    assert.equal(addDays(rangeOf(back, today, null).last, 1), rangeOf(start, today, null).first, p.key);
    const forth = shift(back, 1, today);
    assert.ok(forth, p.key);
    assert.deepEqual(rangeOf(forth, today, null), rangeOf(start, today, null), p.key);
  }
});

test("arrows stop at today and at all time", () => {
  assert.equal(shift({ period: "day" }, 1, today), null);
  assert.equal(shift({ period: "28d" }, 1, today), null);
  assert.equal(shift({ period: "month" }, 1, today), null);
  assert.equal(shift({ period: "year" }, 1, today), null);
  assert.equal(shift({ period: "all" }, -1, today), null);
  assert.equal(shift({ period: "custom", from: "2026-03-10", to: "2026-03-15" }, 1, today), null);
  assert.deepEqual(shift({ period: "yesterday" }, 1, today), { period: "day" });
  assert.deepEqual(shift({ period: "28d", date: "2026-03-10" }, 1, today), { period: "28d" });
});

test("intervals follow the length", () => {
  const of = (first: string, last: string) => intervalsFor({ period: "custom" }, { first, last });
  assert.deepEqual(of("2026-01-01", "2026-01-01"), { allowed: ["hour"], normal: "hour" });
  assert.deepEqual(of("2026-01-01", "2026-01-07"), { allowed: ["hour", "day"], normal: "day" });
  assert.deepEqual(of("2026-01-01", "2026-01-20"), { allowed: ["day", "week"], normal: "day" });
  assert.deepEqual(of("2026-01-01", "2026-04-30"), { allowed: ["day", "week", "month"], normal: "week" });
  assert.deepEqual(of("2025-01-01", "2026-03-01"), { allowed: ["week", "month"], normal: "month" });
  for (const p of periods) {
    const { allowed, normal } = intervalsFor({ period: p.key }, rangeOf({ period: p.key }, today, "2024-11-05"));
    assert.ok(allowed.includes(normal), p.key);
  }
});

test("time labels are those of the Stats API", () => {
  assert.deepEqual(timeLabels({ first: "2020-12-20", last: "2021-01-07" }, "week"), ["2020-12-20", "2020-12-21", "2020-12-28", "2021-01-04"]);
  assert.deepEqual(timeLabels({ first: "2026-01-31", last: "2026-03-01" }, "month"), ["2026-01-01", "2026-02-01", "2026-03-01"]);
  const hours = timeLabels({ first: "2026-03-29", last: "2026-03-30" }, "hour");
  assert.equal(hours.length, 48);
  assert.equal(hours[2], "2026-03-29 02:00:00");
});

test("calendar arithmetic", () => {
  assert.equal(addMonths("2024-03-31", -1), "2024-02-29");
  assert.equal(addMonths("2025-01-15", -13), "2023-12-15");
  assert.equal(lastOfMonth("2026-12-05"), "2026-12-31");
  assert.equal(monday("2026-03-15"), "2026-03-09");
  assert.equal(countDays("2026-03-28", "2026-03-30"), 3);
  assert.ok(isDay("2024-02-29"));
  for (const bad of ["2026-02-30", "2026-13-01", "26-01-01", "", "2026-1-1", "2026-01-01x"]) assert.ok(!isDay(bad), bad);
});

test("today is the site's, not the browser's", () => {
  const instant = new Date("2026-03-15T23:30:00Z");
  assert.equal(todayIn("Etc/UTC", instant), "2026-03-15");
  assert.equal(todayIn("Asia/Tokyo", instant), "2026-03-16");
  assert.equal(todayIn("America/Los_Angeles", instant), "2026-03-15");
});

test("a site's first day is shown as it happens", () => {
  assert.equal(defaultPeriod(null, today), "day");
  assert.equal(defaultPeriod(today, today), "day");
  assert.equal(defaultPeriod("2026-03-14", today), "28d");
});
