// What the dashboard has asked and been answered. Each part of the page is a slot; when the view changes, the slots whose
// question is another one now are asked again, all in one request.

import { effect, signal, type Signal } from "@preact/signals";
import { ask, type Query, type Result } from "./api.ts";
import { addDays } from "./dates.ts";
import { hasPage, toApi } from "./filters.ts";
import { type Metric, metrics } from "./metrics.ts";
import type { Interval, Range } from "./periods.ts";
import { dimensions, drill, type PanelKey, panelKeys, placed, type Report, reportOf } from "./reports.ts";
import { domain, view } from "./router.ts";
import { choice, interval, range, say, site, status, today } from "./session.ts";
import type { View } from "./view.ts";

export type SlotKey = "top" | "series" | PanelKey;

/** Frame is what an answer must be read with: the view may have moved on since it was asked for. */
export interface Frame {
  range: Range;
  metrics: Metric[];
  interval: Interval;
  report: Report | undefined;
}

export interface Slot {
  /** The question at hand, as text; "" before the first one. */
  asked: string;
  busy: boolean;
  error: string | undefined;
  answer: { result: Result; frame: Frame } | undefined;
}

const empty: Slot = { asked: "", busy: true, error: undefined, answer: undefined };

export const slots: Readonly<Record<SlotKey, Signal<Slot>>> = {
  top: signal(empty),
  series: signal(empty),
  sources: signal(empty),
  pages: signal(empty),
  locations: signal(empty),
  devices: signal(empty),
};

const slotKeys: readonly SlotKey[] = ["top", "series", ...panelKeys];

/** panelRows is how many rows a panel shows. One more is asked for, since rows may be left out. */
export const panelRows = 9;

/** countries is how many there are at most: each may have a row of visits whose region or city is not known, which is left out. */
export const countries = 300;

/** topMetrics are the cards that can be answered: views per visit means nothing for a single page. */
export function topMetrics(v: View): Metric[] {
  return hasPage(v.filters) ? metrics.filter((m) => m !== "views_per_visit") : [...metrics];
}

/** chartMetric is the series drawn. */
export function chartMetric(v: View): Metric {
  return topMetrics(v).includes(v.metric) ? v.metric : "visitors";
}

interface Question {
  query: Query;
  frame: Frame;
}

function plan(): Record<SlotKey, Question> {
  const v = view.value;
  const r = range.value;
  const base = { date_range: [r.first, r.last] as [string, string], filters: toApi(v.filters) };
  // A period before the site's first day would be compared with nothing.
  const before = choice.value.period !== "all" && addDays(r.first, -1) >= (status.value?.first ?? r.first);
  const compare = before ? { compare: true as const } : {};
  const frame: Frame = { range: r, metrics: topMetrics(v), interval: interval.value, report: undefined };
  const chart = chartMetric(v);
  const panel = (p: PanelKey): Question => {
    const report = drill(reportOf(v.tabs[p]), v.filters);
    return {
      query: { ...base, metrics: ["visitors", "percentage"], dimensions: dimensions(report), pagination: { limit: panelRows + 1 + (placed(report) ? countries : 0), offset: 0 } },
      frame: { ...frame, report },
    };
  };
  return {
    top: { query: { ...base, metrics: frame.metrics, ...compare }, frame },
    series: {
      query: { ...base, metrics: [chart], dimensions: ["time:" + interval.value], include: { time_labels: true }, ...compare },
      frame: { ...frame, metrics: [chart] },
    },
    sources: panel("sources"),
    pages: panel("pages"),
    locations: panel("locations"),
    devices: panel("devices"),
  };
}

/** ready holds once the site exists, its clock is known and it has data. */
function ready(): boolean {
  return site.value !== undefined && status.value?.domain === domain.value && status.value.events > 0;
}

let shownDomain = "";

/** startSlots keeps the slots in step with the view from now on. */
export function startSlots(): void {
  effect(() => {
    const d = domain.value;
    if (d !== shownDomain) {
      shownDomain = d;
      for (const k of slotKeys) slots[k].value = empty;
    }
    if (!ready()) return;
    const questions = plan();
    const changed = slotKeys.filter((k) => slots[k].peek().asked !== textOf(d, questions[k].query));
    void load(d, questions, changed, false);
  });
}

/** reload asks again: all slots, or those that failed. Quietly keeps what is shown until the new answer is there. */
export function reload(which: "all" | "failed", quiet = false): void {
  if (!ready()) return;
  const keys = which === "all" ? slotKeys : slotKeys.filter((k) => slots[k].peek().error !== undefined);
  void load(domain.peek(), plan(), [...keys], quiet);
}

/** includesToday tells whether the numbers shown may still grow. */
export function includesToday(): boolean {
  return range.value.last >= today.value;
}

const textOf = (d: string, query: Query): string => JSON.stringify([d, query]);

async function load(d: string, questions: Record<SlotKey, Question>, keys: SlotKey[], quiet: boolean): Promise<void> {
  if (keys.length === 0) return;
  for (const k of keys) {
    const slot = slots[k].peek();
    slots[k].value = { ...slot, asked: textOf(d, questions[k].query), busy: slot.busy || !quiet, error: quiet ? slot.error : undefined };
  }
  const settle = (k: SlotKey, part: Partial<Slot>) => {
    const slot = slots[k].peek();
    if (slot.asked === textOf(d, questions[k].query)) slots[k].value = { ...slot, busy: false, error: undefined, ...part };
  };
  try {
    const results = await ask(d, keys.map((k) => questions[k].query));
    keys.forEach((k, i) => {
      const result = results[i];
      if (!result) return settle(k, { error: "The server left out this answer." });
      const answer = { result, frame: questions[k].frame };
      const shown = slots[k].peek().answer;
      // An answer that says the same stays the same object: nothing is drawn again under the reader's pointer.
      settle(k, { answer: shown && JSON.stringify(shown) === JSON.stringify(answer) ? shown : answer });
    });
  } catch (err) {
    const error = say(err);
    for (const k of keys) settle(k, quiet && slots[k].peek().answer ? {} : { error });
  }
}
