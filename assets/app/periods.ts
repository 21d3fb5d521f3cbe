// Periods: which days a choice in the period picker covers, how the arrows move it, and which intervals suit it.
//
// As in the Stats API, "7d" to "91d" are whole days ending yesterday and "6mo", "12mo" whole months ending last month; the
// periods named "to date" end today.

import { addDays, addMonths, countDays, type Day, firstOfMonth, firstOfYear, lastOfMonth, monday } from "./dates.ts";

export type PeriodKey = "day" | "yesterday" | "7d" | "28d" | "30d" | "91d" | "month" | "last_month" | "year" | "6mo" | "12mo" | "all" | "custom";

export type Interval = "hour" | "day" | "week" | "month";

export interface Period {
  key: PeriodKey;
  label: string;
  shortcut: string;
  /** Periods of one group stand together in the picker. */
  group: number;
}

export const periods: readonly Period[] = [
  { key: "day", label: "Today", shortcut: "D", group: 0 },
  { key: "yesterday", label: "Yesterday", shortcut: "E", group: 0 },
  { key: "7d", label: "Last 7 days", shortcut: "W", group: 1 },
  { key: "28d", label: "Last 28 days", shortcut: "F", group: 1 },
  { key: "30d", label: "Last 30 days", shortcut: "T", group: 1 },
  { key: "91d", label: "Last 91 days", shortcut: "N", group: 1 },
  { key: "month", label: "Month to date", shortcut: "M", group: 2 },
  { key: "last_month", label: "Last month", shortcut: "P", group: 2 },
  { key: "year", label: "Year to date", shortcut: "Y", group: 3 },
  { key: "6mo", label: "Last 6 months", shortcut: "S", group: 3 },
  { key: "12mo", label: "Last 12 months", shortcut: "L", group: 3 },
  { key: "all", label: "All time", shortcut: "A", group: 4 },
  { key: "custom", label: "Custom range", shortcut: "C", group: 4 },
];

/** Choice is what the picker holds. date moves a period to another anchor day; from and to belong to "custom". */
export interface Choice {
  period: PeriodKey;
  date?: Day | undefined;
  from?: Day | undefined;
  to?: Day | undefined;
}

/** Range is first to last, both included. */
export interface Range {
  first: Day;
  last: Day;
}

export const intervals: readonly Interval[] = ["hour", "day", "week", "month"];

/** normalPeriod is what a dashboard shows unless told otherwise. */
export const normalPeriod: PeriodKey = "28d";

/** defaultPeriod shows a site's first day as it happens, later ones at a glance. */
export function defaultPeriod(firstData: Day | null, today: Day): PeriodKey {
  return firstData === null || firstData >= today ? "day" : normalPeriod;
}

/** rangeOf gives the days of a choice. firstData is the first day that holds data, for "all". */
export function rangeOf(choice: Choice, today: Day, firstData: Day | null): Range {
  const anchor = choice.date ?? today;
  const rolling = (days: number): Range => ({ first: addDays(anchor, -days), last: addDays(anchor, -1) });
  const months = (n: number): Range => ({ first: addMonths(firstOfMonth(anchor), -n), last: addDays(firstOfMonth(anchor), -1) });
  switch (choice.period) {
    case "day":
      return { first: anchor, last: anchor };
    case "yesterday":
      return { first: addDays(anchor, -1), last: addDays(anchor, -1) };
    case "7d":
      return rolling(7);
    case "28d":
      return rolling(28);
    case "30d":
      return rolling(30);
    case "91d":
      return rolling(91);
    case "month":
      return { first: firstOfMonth(anchor), last: earlier(lastOfMonth(anchor), today) };
    case "last_month":
      return months(1);
    case "year":
      return { first: firstOfYear(anchor), last: earlier(addDays(addMonths(firstOfYear(anchor), 12), -1), today) };
    case "6mo":
      return months(6);
    case "12mo":
      return months(12);
    case "all":
      return { first: firstData !== null && firstData < today ? firstData : today, last: today };
    case "custom": {
      const a = choice.from ?? today;
      const b = choice.to ?? a;
      return a <= b ? { first: a, last: b } : { first: b, last: a };
    }
  }
}

function earlier(a: Day, b: Day): Day {
  return a < b ? a : b;
}

/** shift moves a choice by its own length, back (-1) or forward (1); null where there is nothing to move to. */
export function shift(choice: Choice, direction: -1 | 1, today: Day): Choice | null {
  const anchor = choice.date ?? today;
  const to = (period: PeriodKey, date: Day): Choice | null => {
    if (date > today) return direction > 0 && choice.date !== undefined && choice.date < today ? { period } : null;
    return date === today ? { period } : { period, date };
  };
  switch (choice.period) {
    case "all":
      return null;
    case "day":
      return to("day", addDays(anchor, direction));
    case "yesterday":
      return to("day", addDays(anchor, -1 + direction));
    case "7d":
    case "28d":
    case "30d":
    case "91d":
      return to(choice.period, addDays(anchor, direction * parseInt(choice.period, 10)));
    case "month":
      return toCalendar("month", addMonths(firstOfMonth(anchor), direction), firstOfMonth(today));
    case "last_month":
      return toCalendar("month", addMonths(firstOfMonth(anchor), -1 + direction), firstOfMonth(today));
    case "year":
      return toCalendar("year", addMonths(firstOfYear(anchor), 12 * direction), firstOfYear(today));
    case "6mo":
    case "12mo":
      return toCalendar(choice.period, addMonths(firstOfMonth(anchor), direction * parseInt(choice.period, 10)), firstOfMonth(today));
    case "custom": {
      const { first, last } = rangeOf(choice, today, null);
      const by = direction * countDays(first, last);
      if (addDays(first, by) > today) return null;
      return { period: "custom", from: addDays(first, by), to: addDays(last, by) };
    }
  }
}

function toCalendar(period: PeriodKey, date: Day, current: Day): Choice | null {
  if (date > current) return null;
  return date === current ? { period } : { period, date };
}

/** intervalsFor lists the intervals a choice may be drawn in, the default one apart. */
export function intervalsFor(choice: Choice, range: Range): { allowed: Interval[]; normal: Interval } {
  switch (choice.period) {
    case "day":
    case "yesterday":
      return { allowed: ["hour"], normal: "hour" };
    case "7d":
      return { allowed: ["hour", "day"], normal: "day" };
    case "28d":
    case "30d":
    case "month":
    case "last_month":
      return { allowed: ["day", "week"], normal: "day" };
    case "91d":
      return { allowed: ["day", "week", "month"], normal: "day" };
    case "year":
    case "6mo":
    case "12mo":
      return { allowed: ["day", "week", "month"], normal: "month" };
    case "all":
    case "custom":
      return intervalsByLength(range);
  }
}

function intervalsByLength({ first, last }: Range): { allowed: Interval[]; normal: Interval } {
  const days = countDays(first, last);
  if (days <= 1) return { allowed: ["hour"], normal: "hour" };
  const normal: Interval = days < 30 ? "day" : last < addMonths(first, 6) ? "week" : "month";
  if (days <= 7) return { allowed: ["hour", "day"], normal: "day" };
  if (last < addMonths(first, 1)) return { allowed: ["day", "week"], normal };
  if (last < addMonths(first, 12)) return { allowed: ["day", "week", "month"], normal };
  return { allowed: ["week", "month"], normal };
}

/** timeLabels lists the labels of every bucket of a range, as the Stats API does. */
export function timeLabels({ first, last }: Range, interval: Interval): string[] {
  const labels: string[] = [];
  switch (interval) {
    case "hour":
      for (let d = first; d <= last; d = addDays(d, 1)) {
        for (let h = 0; h < 24; h++) labels.push(`${d} ${String(h).padStart(2, "0")}:00:00`);
      }
      break;
    case "day":
      for (let d = first; d <= last; d = addDays(d, 1)) labels.push(d);
      break;
    case "week":
      labels.push(first);
      for (let d = addDays(monday(first), 7); d <= last; d = addDays(d, 7)) labels.push(d);
      break;
    case "month":
      for (let d = firstOfMonth(first); d <= last; d = addMonths(d, 1)) labels.push(d);
      break;
  }
  return labels;
}
