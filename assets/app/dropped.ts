// What was not counted, made ready to be shown: the names of reasons, sums, and the course over the days.

import type { Left, Reason } from "./api.ts";
import { type Day, firstOfMonth, monday } from "./dates.ts";
import { capital, events, percent } from "./format.ts";
import { type Interval, type Range, timeLabels } from "./periods.ts";

const names: Record<string, string> = {
  not_found: "Sites not set up here",
  bot: "Robots",
  invalid: "Invalid requests",
  no_session_for_engagement: "Time without a visit",
  spam_referrer: "Spam referrers",
  dc_ip: "Data centres",
  throttle: "Too many at once",
  site_ip_blocklist: "Blocked addresses",
  site_country_blocklist: "Blocked countries",
  site_page_blocklist: "Blocked pages",
  site_hostname_allowlist: "Other hosts",
  ignored_device: "Ignored devices",
};

/** reasonName is what a reason is called in a table; one that this page does not know is shown as it is. */
export const reasonName = (reason: string): string => names[reason] ?? capital(reason.replaceAll("_", " "));

const sum = (reasons: readonly Reason[]): number => reasons.reduce((n, r) => n + r.count, 0);

/** summary says how much of what came was not counted: a share where it says something. */
export function summary(left: Left): { lead: string; rest: string } {
  const dropped = sum(left.reasons);
  const all = left.counted + dropped;
  if (all === 0) return { lead: "", rest: "No events came in this period." };
  if (dropped === 0) return { lead: "", rest: all === 1 ? "The one event that came was counted." : `All ${events(all)} that came were counted.` };
  if (left.counted === 0) return { lead: "", rest: all === 1 ? "The one event that came was not counted." : `None of the ${events(all)} that came were counted.` };
  return { lead: percent((100 * dropped) / all), rest: ` of ${events(all)} were not counted.` };
}

export interface Bar {
  label: string;
  /** Events dropped for any reason, and for the one that was picked. */
  all: number;
  picked: number;
}

/** barsOf spreads reasons over the buckets of a range; picked is one of them, or undefined. Hours are not known, so they are days. */
export function barsOf(reasons: readonly Reason[], picked: string | undefined, range: Range, interval: Interval): Bar[] {
  const kind = interval === "hour" ? "day" : interval;
  const bars = timeLabels(range, kind).map((label): Bar => ({ label, all: 0, picked: 0 }));
  const byLabel = new Map(bars.map((b) => [b.label, b]));
  for (const r of reasons) {
    for (const [day, n] of Object.entries(r.days ?? {})) {
      const bar = byLabel.get(bucketOf(day, kind)) ?? bars[0]; // the first week begins with the range, not on Monday
      if (!bar) continue;
      bar.all += n;
      if (r.reason === picked) bar.picked += n;
    }
  }
  return bars;
}

function bucketOf(day: Day, interval: Interval): Day {
  if (interval === "week") return monday(day);
  return interval === "month" ? firstOfMonth(day) : day;
}
