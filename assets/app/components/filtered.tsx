// What was not counted: how much of what came, why, and on which days, so that a filter can be judged.

import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { getFiltered, type Left, type Reason, type Site } from "../api.ts";
import { type Bar, barsOf, reasonName, summary } from "../dropped.ts";
import { bucketName, events, fullNumber, moment, percent, rangeName, sentence, shortNumber, tickName } from "../format.ts";
import type { Interval, Range } from "../periods.ts";
import { countDays } from "../dates.ts";
import { useRefresh } from "../refresh.ts";
import { follow, place, view } from "../router.ts";
import { app, interval, range, say } from "../session.ts";
import { includesToday } from "../slots.ts";
import { formatView } from "../view.ts";
import { system } from "./system.tsx";

const refreshMs = 30_000;

/** An answer and the range it is about: the reader may have moved on meanwhile. */
interface Shown {
  left: Left;
  range: Range;
}

export function Filtered({ site }: { site: Site }) {
  const shown = useSignal<Shown | undefined>(undefined);
  const trouble = useSignal<string | undefined>(undefined);
  const wanted = useRef("");
  const { first, last } = range.value;
  const load = (quiet: boolean) => {
    const asked = `${site.domain} ${first} ${last}`;
    wanted.current = asked;
    const still = () => wanted.current === asked;
    getFiltered(site.domain, first, last).then(
      (left) => { if (still()) [shown.value, trouble.value] = [{ left, range: { first, last } }, undefined]; },
      (err: unknown) => {
        const why = say(err);
        if (still() && !quiet) trouble.value = why;
      },
    );
  };
  useEffect(() => {
    load(false);
    return () => { wanted.current = ""; };
  }, [site.domain, first, last]);
  useRefresh(() => { if (includesToday()) load(true); }, refreshMs);
  const s = shown.value;
  return (
    <section class="panel filtered" aria-label="Filtered" data-testid="panel-filtered" aria-busy={!s}>
      <div class="panel-bar">
        <h2>Filtered</h2>
        {app.value?.user && <a class="button" href={place.value.path + formatView({ ...view.value, page: "rules" })} onClick={follow} data-testid="rules-link">What is counted</a>}
      </div>
      {trouble.value ? (
        <div class="panel-note" role="alert">
          <p>{trouble.value}</p>
          <button type="button" class="button" onClick={() => load(false)}>Try again</button>
        </div>
      ) : s ? <Body shown={s} /> : <div class="skeleton filtered-skeleton" />}
    </section>
  );
}

function Body({ shown: { left, range } }: { shown: Shown }) {
  const picked = useSignal<string | undefined>(undefined);
  const chosen = left.reasons.some((r) => r.reason === picked.value) ? picked.value : undefined;
  const by: Interval = interval.value === "hour" ? "day" : interval.value;
  const bars = useMemo(() => barsOf(left.reasons, chosen, range, by), [left, chosen, range, by]);
  const { lead, rest } = summary(left);
  return (
    <>
      <p class="filtered-sum" data-testid="filtered-sum">{lead && <b>{lead}</b>}{rest}{view.value.filters.length > 0 && left.reasons.length > 0 && <span class="faint"> The filters above play no part here.</span>}</p>
      {left.reasons.length > 0 && (
        <div class={`filtered-body ${bars.length > 1 ? "" : "plain"}`}>
          <Reasons left={left} chosen={chosen} onPick={(r) => (picked.value = r === chosen ? undefined : r)} pickable={bars.length > 1 && left.reasons.length > 1} />
          {bars.length > 1 && <Course bars={bars} by={by} chosen={chosen} range={range} />}
        </div>
      )}
      {left.watched.length > 0 && (
        <div class="filtered-note" data-testid="watched">
          <p>Counted, but rules that only watch would have dropped:</p>
          <ul>{left.watched.map((r) => <li key={r.reason} data-name={r.reason} data-value={r.count}><b>{fullNumber(r.count)}</b> {reasonName(r.reason)}</li>)}</ul>
        </div>
      )}
      <Others left={left} />
    </>
  );
}

function Reasons({ left, chosen, onPick, pickable }: { left: Left; chosen: string | undefined; onPick: (reason: string) => void; pickable: boolean }) {
  const most = Math.max(1, ...left.reasons.map((r) => r.count));
  const all = left.counted + left.reasons.reduce((n, r) => n + r.count, 0);
  return (
    <table class="reasons">
      <caption class="visually-hidden">Events that were not counted, by reason</caption>
      <thead>
        <tr><th scope="col">Reason</th><th scope="col" class="num">Events</th><th scope="col" class="num">%</th></tr>
      </thead>
      <tbody>
        {left.reasons.map((r) => (
          <tr key={r.reason} data-testid="reason" data-name={r.reason} data-value={r.count} class={r.reason === chosen ? "chosen" : ""}>
            <th scope="row">
              <span class="reason-bar" style={{ width: `${(100 * r.count) / most}%` }} />
              {pickable ? (
                <button type="button" class="reason-name" aria-pressed={r.reason === chosen} title={r.reason === chosen ? "Show all reasons in the chart" : "Show this reason in the chart"} onClick={() => onPick(r.reason)}>{reasonName(r.reason)}</button>
              ) : <span class="reason-name">{reasonName(r.reason)}</span>}
              {r.help && <p class="reason-help">{sentence(r.help)}</p>}
            </th>
            <td class="num">{fullNumber(r.count)}</td>
            <td class="num faint">{percent((100 * r.count) / all)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Course draws how much was dropped over the days. It is a picture; the table under it says the same in words. */
function Course({ bars, by, chosen, range }: { bars: Bar[]; by: Interval; chosen: string | undefined; range: Range }) {
  const at = useSignal<number | undefined>(undefined);
  const most = Math.max(1, ...bars.map((b) => b.all));
  const name = chosen === undefined ? "All reasons" : reasonName(chosen);
  const pointed = at.value === undefined ? undefined : bars[at.value];
  const point = (e: PointerEvent) => {
    const box = (e.currentTarget as HTMLElement).getBoundingClientRect();
    at.value = Math.max(0, Math.min(bars.length - 1, Math.floor(((e.clientX - box.left) / box.width) * bars.length)));
  };
  const span = countDays(range.first, range.last);
  const value = (b: Bar) => (chosen === undefined ? b.all : b.picked);
  return (
    <div class="course">
      <p class="course-bar" aria-hidden="true">
        <span class="course-name">{name}</span>
        <span class="faint">{pointed ? <>{bucketName(pointed.label, by)}: <b>{fullNumber(value(pointed))}</b>{chosen !== undefined && ` of ${fullNumber(pointed.all)}`}</> : `most in a ${by}: ${shortNumber(most)}`}</span>
      </p>
      <svg class="course-plot" viewBox={`0 0 ${bars.length * 10} 100`} preserveAspectRatio="none" aria-hidden="true" onPointerMove={point} onPointerDown={point} onPointerLeave={() => (at.value = undefined)}>
        {at.value !== undefined && <rect class="course-at" x={at.value * 10} y="0" width="10" height="100" />}
        {bars.map((b, i) => (
          <g key={b.label}>
            {b.all > 0 && <rect class={chosen === undefined ? "course-on" : "course-off"} {...column(i, b.all, most)} />}
            {b.picked > 0 && <rect class="course-on" {...column(i, b.picked, most)} />}
          </g>
        ))}
      </svg>
      <p class="course-ends" aria-hidden="true"><span>{tickName(bars[0]!.label, by, span)}</span><span>{tickName(bars[bars.length - 1]!.label, by, span)}</span></p>
      <div class="visually-hidden" data-testid="filtered-table">
        <table>
          <caption>{name}: events that were not counted by {by}, {rangeName(range)}</caption>
          <thead><tr><th scope="col">Time</th><th scope="col">Events</th></tr></thead>
          <tbody>{bars.filter((b) => value(b) > 0).map((b) => <tr key={b.label}><th scope="row">{bucketName(b.label, by)}</th><td>{fullNumber(value(b))}</td></tr>)}</tbody>
        </table>
      </div>
    </div>
  );
}

/** column is where a bar stands: a gap of a fifth between two, and never so low that it is not seen. */
function column(i: number, n: number, most: number): { x: number; y: number; width: number; height: number } {
  const height = Math.max(1.5, (96 * n) / most);
  return { x: i * 10 + 1, y: 100 - height, width: 8, height };
}

/** named is the word for values of a dimension: "event:page" is "pages". */
const named = (dimension: string): string => (dimension === "event:props" ? "properties" : `${dimension.replace(/^\w+:/, "").replaceAll("_", " ")}s`);

/** Others says what was counted without its value, and what came for no site of this server. */
function Others({ left }: { left: Left }) {
  const siteless = system.value?.siteless;
  return (
    <>
      {left.other.length > 0 && (
        <p class="filtered-note" data-testid="other-values">
          Counted as “(other)”, because a day had too many different ones: {left.other.map((o) => `${fullNumber(o.count)} ${named(o.dimension)}`).join(", ")}.
        </p>
      )}
      {siteless && siteless.reasons.length > 0 && <p class="filtered-note" data-testid="siteless">{saySiteless(siteless.reasons)} since the server started on {moment(siteless.since)}; no name that was sent is kept.</p>}
    </>
  );
}

/** saySiteless says what came for no site, and what may be wrong then. */
function saySiteless(reasons: readonly Reason[]): string {
  const count = (name: string) => reasons.find((r) => r.reason === name)?.count ?? 0;
  const unknown = count("not_found");
  const invalid = reasons.reduce((n, r) => n + r.count, 0) - unknown;
  const parts = [];
  if (unknown > 0) parts.push(`${events(unknown)} for sites that are not set up here`);
  if (invalid > 0) parts.push(`${fullNumber(invalid)} ${invalid === 1 ? "request that is no event" : "requests that are no events"}`);
  return `For none of your sites: ${parts.join(" and ")}`;
}
