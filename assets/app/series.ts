// From an answer of the API to the points of the chart: gaps filled, the period before laid under, the unfinished bucket marked.

import type { Result, Row } from "./api.ts";
import { isCount, type Metric } from "./metrics.ts";
import { type Interval, type Range, timeLabels } from "./periods.ts";

export interface Point {
  label: string;
  /** null where the bucket lies ahead, or where a ratio has nothing to divide. */
  value: number | null;
  previousLabel: string | undefined;
  previous: number | null;
  /** The bucket has begun and not ended. */
  unfinished: boolean;
}

/** pointsOf lines up a time series of one metric. */
export function pointsOf(result: Result, metric: Metric, interval: Interval, range: Range): Point[] {
  const labels = result.meta?.time_labels ?? timeLabels(range, interval);
  const present = result.meta?.present_index ?? -1;
  const values = byLabel(result.results);
  const before = result.comparison ? byLabel(result.comparison.results) : undefined;
  const beforeLabels = result.comparison ? comparisonLabels(result, interval) : [];
  const empty = isCount(metric) ? 0 : null;
  return labels.map((label, i) => {
    const previousLabel = beforeLabels[i];
    const ahead = present >= 0 && i > present;
    return {
      label,
      value: ahead ? null : (values.get(label) ?? empty),
      previousLabel,
      previous: previousLabel === undefined ? null : (before?.get(previousLabel) ?? empty),
      unfinished: i === present,
    };
  });
}

function byLabel(rows: Row[]): Map<string, number | null> {
  return new Map(rows.map((r) => [r.dimensions[0] ?? "", r.metrics[0] ?? null]));
}

function comparisonLabels(result: Result, interval: Interval): string[] {
  const given = result.comparison?.meta?.time_labels;
  if (given) return given;
  const dates = result.comparison?.query?.date_range;
  if (!dates) return [];
  return timeLabels({ first: dates[0].slice(0, 10), last: dates[1].slice(0, 10) }, interval);
}

/** ticks picks the buckets that get a label on an axis with room for so many: evenly spaced, and midnights where hours span days. */
export function ticks(labels: readonly string[], interval: Interval, room: number): number[] {
  const days = labels.length / 24;
  if (interval === "hour" && days > 1) return every(24 * Math.ceil(days / Math.max(1, room)), labels.length);
  return every(niceStep(Math.ceil(labels.length / Math.max(1, room))), labels.length);
}

function every(step: number, n: number): number[] {
  return Array.from({ length: Math.ceil(n / step) }, (_, i) => i * step);
}

/** niceStep prefers steps that divide days into hours, years into months, and weeks into days. */
function niceStep(least: number): number {
  return [1, 2, 3, 4, 6, 7, 12, 14, 21, 28].find((s) => s >= least) ?? Math.ceil(least / 28) * 28;
}
