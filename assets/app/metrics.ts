// The metrics of the dashboard: their names, meanings, formats, and which direction is good.

import { duration, fullNumber, percent, shortNumber } from "./format.ts";

export type Metric = "visitors" | "visits" | "pageviews" | "views_per_visit" | "bounce_rate" | "visit_duration";

/** Column is a metric or the share of visitors, which exists in tables only. */
export type Column = Metric | "percentage";

interface Facts {
  label: string;
  short: string;
  kind: "count" | "ratio" | "percent" | "seconds";
  /** What the number says, for the (i) beside it. */
  help: string;
  /** Added to help when the period is longer than a day. */
  manyDays?: string;
  lowerIsBetter?: boolean;
}

export const metrics: readonly Metric[] = ["visitors", "visits", "pageviews", "views_per_visit", "bounce_rate", "visit_duration"];

const facts: Record<Column, Facts> = {
  visitors: {
    label: "Visitors",
    short: "Visitors",
    kind: "count",
    help: "Different people who came, each counted once a day.",
    manyDays: "The key that recognises a visitor is destroyed at midnight, so nobody is followed from day to day: over several days this is the sum of the daily visitors. Somebody who comes on three days counts three times.",
  },
  visits: { label: "Visits", short: "Visits", kind: "count", help: "A visit is one visitor's run of events with gaps of at most 30 minutes. It ends at midnight at the latest." },
  pageviews: { label: "Pageviews", short: "Views", kind: "count", help: "How many times a page was opened, page changes inside single-page apps included." },
  views_per_visit: { label: "Views per visit", short: "Views/visit", kind: "ratio", help: "Pageviews divided by visits." },
  bounce_rate: { label: "Bounce rate", short: "Bounces", kind: "percent", help: "Share of visits that saw one page and did nothing on it. Lower is better.", lowerIsBetter: true },
  visit_duration: { label: "Visit duration", short: "Duration", kind: "seconds", help: "Time from a visit's first event to its last, on average. Visits with one event count as zero." },
  percentage: { label: "Share of visitors", short: "Share", kind: "percent", help: "Visitors of this row among all visitors of the period." },
};

export const metricFacts = (m: Column): Facts => facts[m];

export function isMetric(text: string): text is Metric {
  return (metrics as readonly string[]).includes(text);
}

/** isCount tells metrics that are 0 where nothing happened from those that then have no value. */
export function isCount(m: Column): boolean {
  return facts[m].kind === "count";
}

/** showMetric writes a value; exact writes counts in all their digits. */
export function showMetric(m: Column, value: number | null | undefined, exact = false): string {
  if (value === null || value === undefined) return "–";
  switch (facts[m].kind) {
    case "count":
      return exact ? fullNumber(value) : shortNumber(value);
    case "ratio":
      return String(Math.round(value * 100) / 100);
    case "percent":
      return m === "percentage" ? percent(value) : `${Math.round(value)}%`;
    case "seconds":
      return duration(value);
  }
}

export interface Change {
  /** Percent, or percentage points where the metric itself is a percentage. */
  amount: number;
  points: boolean;
  mood: "good" | "bad" | "even";
}

/** changeOf compares a value with the period before; null where the two cannot be compared, and where there is nothing in either. */
export function changeOf(m: Metric, now: number | null | undefined, before: number | null | undefined): Change | null {
  if (now === null || now === undefined || before === null || before === undefined) return null;
  const points = facts[m].kind === "percent";
  if (before === 0 && (points || now === 0)) return null;
  const amount = points ? Math.round(now - before) : before === 0 ? (now > 0 ? 100 : 0) : Math.round(((now - before) / before) * 100);
  const better = facts[m].lowerIsBetter ? amount < 0 : amount > 0;
  return { amount, points, mood: amount === 0 ? "even" : better ? "good" : "bad" };
}

/** sayChange writes a change: "↑ 12%", "↓ 3 pts", "no change". */
export function sayChange(c: Change): string {
  if (c.amount === 0) return "no change";
  return `${c.amount > 0 ? "↑" : "↓"} ${fullNumber(Math.abs(c.amount))}${c.points ? (Math.abs(c.amount) === 1 ? " pt" : " pts") : "%"}`;
}
