// All sites at a glance: the visitors of seven days, today the last of them, and their course.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { ask, type Site } from "../api.ts";
import { addDays, todayIn } from "../dates.ts";
import { changeOf, sayChange, showMetric } from "../metrics.ts";
import { timeLabels } from "../periods.ts";
import { useRefresh } from "../refresh.ts";
import { follow, sitePath } from "../router.ts";
import { app, say } from "../session.ts";
import { Plus } from "./icons.tsx";

const refreshMs = 60_000;

export function Sites() {
  const sites = app.value?.sites ?? [];
  return (
    <main class="sites">
      <div class="sites-bar">
        <h1>Sites</h1>
        <a class="button" href="/?new=1" onClick={follow}><Plus /> Add a site</a>
      </div>
      <ul class="site-list">{sites.map((s) => <SiteCard key={s.domain} site={s} />)}</ul>
    </main>
  );
}

interface Week {
  visitors: number;
  before: number | null;
  days: number[];
}

function SiteCard({ site }: { site: Site }) {
  const week = useSignal<Week | string | undefined>(undefined);
  const gone = useRef(false);
  const load = () => {
    loadWeek(site).then(
      (w) => { if (!gone.current) week.value = w; },
      (err: unknown) => {
        // Numbers a minute old are better than none.
        const why = say(err);
        if (!gone.current && typeof week.value !== "object") week.value = why;
      },
    );
  };
  useEffect(() => {
    gone.current = false;
    load();
    return () => { gone.current = true; };
  }, [site.domain]);
  useRefresh(load, refreshMs);
  const w = week.value;
  // Nothing before is most often a site that was not yet counted: no rise to speak of.
  const change = typeof w === "object" && w.before ? changeOf("visitors", w.visitors, w.before) : null;
  return (
    <li>
      <a class="site-card" href={sitePath(site.domain)} onClick={follow} data-testid="site">
        <span class="site-domain">{site.domain}</span>
        {typeof w === "object" ? <Spark values={w.days} /> : <span class="spark" />}
        <span class="site-week">
          {typeof w === "object" ? <><b>{showMetric("visitors", w.visitors)}</b> {w.visitors === 1 ? "visitor" : "visitors"} in 7 days {change && <span class={change.mood}>{sayChange(change)}</span>}</> : (w ?? " ")}
        </span>
      </a>
    </li>
  );
}

async function loadWeek(site: Site): Promise<Week> {
  const today = todayIn(site.timezone, new Date());
  const days = { first: addDays(today, -6), last: today };
  const base = { metrics: ["visitors" as const], date_range: [days.first, days.last] as [string, string] };
  const [total, series] = await ask(site.domain, [{ ...base, compare: true }, { ...base, dimensions: ["time:day"] }]);
  const byDay = new Map(series?.results.map((r) => [r.dimensions[0], r.metrics[0] ?? 0]));
  return {
    visitors: total?.results[0]?.metrics[0] ?? 0,
    before: total?.comparison?.results[0]?.metrics[0] ?? null,
    days: timeLabels(days, "day").map((d) => byDay.get(d) ?? 0),
  };
}

function Spark({ values }: { values: number[] }) {
  const most = Math.max(1, ...values);
  const points = values.map((v, i) => `${(i / (values.length - 1)) * 100},${28 - (v / most) * 26}`).join(" ");
  return (
    <svg class="spark" viewBox="0 0 100 30" preserveAspectRatio="none" aria-hidden="true">
      <polygon points={`0,30 ${points} 100,30`} />
      <polyline points={points} />
    </svg>
  );
}
