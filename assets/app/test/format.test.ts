import assert from "node:assert/strict";
import { test } from "node:test";
import type { Result } from "../api.ts";
import { bucketName, countryName, duration, percent, rangeName, sentence, shortNumber } from "../format.ts";
import { changeOf, sayChange, showMetric } from "../metrics.ts";
import { pointsOf, ticks } from "../series.ts";

test("short numbers", () => {
  const want: [number, string][] = [
    [0, "0"], [7, "7"], [999, "999"], [1000, "1k"], [1234, "1.2k"], [9949, "9.9k"], [9950, "10k"], [12_345, "12k"], [123_456, "123k"],
    [999_499, "999k"], [999_500, "1M"], [1_234_567, "1.2M"], [45_600_000, "46M"], [2_100_000_000, "2.1B"],
  ];
  for (const [n, text] of want) assert.equal(shortNumber(n), text);
});

test("durations", () => {
  const want: [number, string][] = [[0, "0s"], [45, "45s"], [59.6, "1m 00s"], [125, "2m 05s"], [3599, "59m 59s"], [3720, "1h 2m"], [90_000, "25h 0m"]];
  for (const [s, text] of want) assert.equal(duration(s), text);
});

test("shares", () => {
  const want: [number, string][] = [[0, "0%"], [0.04, "<0.1%"], [0.42, "0.4%"], [9, "9.0%"], [9.94, "9.9%"], [9.96, "10%"], [12.5, "13%"], [100, "100%"]];
  for (const [p, text] of want) assert.equal(percent(p), text);
});

test("labels are wall clock, whatever the browser's zone", () => {
  assert.match(bucketName("2026-03-29 02:00:00", "hour"), /29 Mar/);
  assert.match(bucketName("2026-03-29 02:00:00", "hour"), /\b0?2(:00| am)/);
  assert.match(bucketName("2026-03-01", "month"), /March 2026/);
  assert.match(rangeName({ first: "2025-12-30", last: "2026-01-02" }), /2025.*2026/);
});

test("countries", () => {
  assert.equal(countryName("DE"), "Germany");
  assert.equal(countryName(""), "Unknown");
  assert.equal(countryName("nonsense"), "nonsense");
});

test("a lower bounce rate is good, and is told in points", () => {
  assert.deepEqual(changeOf("bounce_rate", 40, 45), { amount: -5, points: true, mood: "good" });
  assert.deepEqual(changeOf("visitors", 90, 100), { amount: -10, points: false, mood: "bad" });
  assert.deepEqual(changeOf("visitors", 5, 0), { amount: 100, points: false, mood: "good" });
  assert.deepEqual(changeOf("visitors", 7, 7), { amount: 0, points: false, mood: "even" });
  assert.equal(changeOf("visitors", 0, 0), null);
  assert.equal(changeOf("bounce_rate", 40, 0), null);
  assert.equal(changeOf("visitors", 5, null), null);
  assert.equal(sayChange({ amount: -5, points: true, mood: "good" }), "↓ 5 pts");
  assert.equal(sayChange({ amount: 1200, points: false, mood: "good" }).replace(/[ ,.]/g, ""), "↑1200%");
});

test("metrics in cards", () => {
  assert.equal(showMetric("views_per_visit", 2.5), "2.5");
  assert.equal(showMetric("bounce_rate", 46), "46%");
  assert.equal(showMetric("visit_duration", 98), "1m 38s");
  assert.equal(showMetric("visits", null), "–");
});

const series = (rows: [string, number][], present?: number, comparison?: [string, number][]): Result => ({
  results: rows.map(([d, v]) => ({ dimensions: [d], metrics: [v] })),
  meta: { time_labels: ["2026-03-13", "2026-03-14", "2026-03-15", "2026-03-16"], ...(present === undefined ? {} : { present_index: present }) },
  ...(comparison
    ? { comparison: { results: comparison.map(([d, v]) => ({ dimensions: [d], metrics: [v] })), query: { date_range: ["2026-03-09T00:00:00+01:00", "2026-03-12T23:59:59+01:00"] as [string, string] } } }
    : {}),
});

const range = { first: "2026-03-13", last: "2026-03-16" };

test("a chart fills gaps, stops at the present and lays the period before under it", () => {
  const points = pointsOf(series([["2026-03-13", 4], ["2026-03-15", 1]], 2, [["2026-03-09", 9], ["2026-03-12", 8]]), "visitors", "day", range);
  assert.deepEqual(points.map((p) => p.value), [4, 0, 1, null]);
  assert.deepEqual(points.map((p) => p.unfinished), [false, false, true, false]);
  assert.deepEqual(points.map((p) => p.previous), [9, 0, 0, 8]);
  assert.equal(points[1]?.previousLabel, "2026-03-10");
});

test("a ratio of nothing is no zero", () => {
  assert.deepEqual(pointsOf(series([["2026-03-13", 50]]), "bounce_rate", "day", range).map((p) => p.value), [50, null, null, null]);
});

test("axis labels stand at midnights where hours span days", () => {
  const hours = Array.from({ length: 7 * 24 }, (_, i) => String(i));
  assert.deepEqual(ticks(hours, "hour", 14), [0, 24, 48, 72, 96, 120, 144]);
  assert.deepEqual(ticks(hours, "hour", 4), [0, 48, 96, 144]);
  assert.deepEqual(ticks(hours.slice(0, 24), "hour", 12), [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22]);
  assert.deepEqual(ticks([], "day", 10), []);
});

test("clauses become sentences", () => {
  assert.equal(sentence("the referrer is known"), "The referrer is known.");
  assert.equal(sentence("It is done."), "It is done.");
  assert.equal(sentence(""), "");
});
