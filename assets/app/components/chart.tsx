// The chart, the words around it, and the table behind it for those who do not see it.

import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { bucketName, rangeName } from "../format.ts";
import { changeOf, type Metric, metricFacts, sayChange, showMetric } from "../metrics.ts";
import { type Interval, intervalsFor } from "../periods.ts";
import { makePlot } from "../plot.ts";
import { show, view } from "../router.ts";
import { choice, interval, range } from "../session.ts";
import { type Point, pointsOf } from "../series.ts";
import { slots } from "../slots.ts";
import { dark } from "../theme.ts";
import { choosePeriod } from "./period.tsx";

const intervalNames: Record<Interval, string> = { hour: "Hours", day: "Days", week: "Weeks", month: "Months" };

export function Chart() {
  const { answer, busy } = slots.series.value;
  const points = useMemo(() => {
    if (!answer) return [];
    const { metrics, interval, range } = answer.frame;
    return pointsOf(answer.result, metrics[0]!, interval, range);
  }, [answer]);
  const metric = answer?.frame.metrics[0] ?? "visitors";
  return (
    <section class="chart-box" aria-label="Chart">
      <ChartBar metric={metric} compared={answer?.result.comparison !== undefined} />
      <div class={`chart ${busy && answer ? "stale" : ""}`} data-testid="chart" data-metric={metric} aria-busy={busy}>
        {answer ? <Plot points={points} metric={metric} interval={answer.frame.interval} /> : <div class="skeleton chart-skeleton" />}
      </div>
      {answer && <Table points={points} metric={metric} interval={answer.frame.interval} />}
    </section>
  );
}

function ChartBar({ metric, compared }: { metric: Metric; compared: boolean }) {
  const { allowed } = intervalsFor(choice.value, range.value);
  const on = view.value.compare;
  return (
    <div class="chart-bar">
      <p class="legend">
        <span class="legend-now">{metricFacts(metric).label}</span>
        {compared && (
          <button type="button" class={`legend-before ${on ? "" : "off"}`} aria-pressed={on} title="Show or hide the period before (X)" onClick={() => show({ compare: !on })}>
            Period before
          </button>
        )}
      </p>
      {allowed.length > 1 && (
        <div class="segments" role="group" aria-label="Interval" data-testid="interval-picker">
          {allowed.map((i) => (
            <button key={i} type="button" aria-pressed={i === interval.value} onClick={() => show({ interval: i })}>{intervalNames[i]}</button>
          ))}
        </div>
      )}
    </div>
  );
}

interface PlotProps {
  points: Point[];
  metric: Metric;
  interval: Interval;
}

function Plot({ points, metric, interval }: PlotProps) {
  const el = useRef<HTMLDivElement>(null);
  const hover = useSignal<{ index: number; left: number; top: number } | null>(null);
  const compare = view.value.compare;
  const isDark = dark.value;

  useEffect(() => {
    const box = el.current;
    if (!box) return;
    const plot = makePlot(box, { points, metric, interval, compare, width: box.clientWidth, height: box.clientHeight, onHover: (h) => (hover.value = h) });
    const resize = new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height: box.clientHeight }));
    resize.observe(box);
    return () => {
      resize.disconnect();
      plot.destroy();
      hover.value = null;
    };
  }, [points, metric, interval, compare, isDark]);

  const point = hover.value ? points[hover.value.index] : undefined;
  const drill = () => {
    // Where there is no hovering, the first tap shows the numbers and must not lead away from them.
    if (!point || point.value === null || matchMedia("(hover: none)").matches) return;
    if (interval === "day") choosePeriod({ period: "day", date: point.label });
    if (interval === "month") choosePeriod({ period: "month", date: point.label });
  };
  return (
    <div class={`plot ${interval === "day" || interval === "month" ? "drillable" : ""}`} onClick={drill}>
      <div class="plot-canvas" ref={el} aria-hidden="true" />
      {point && hover.value && (
        <Tooltip point={point} metric={metric} interval={interval} compare={compare} left={hover.value.left} top={hover.value.top} width={el.current?.clientWidth ?? 0} />
      )}
    </div>
  );
}

function Tooltip({ point, metric, interval, compare, left, top, width }: { point: Point; metric: Metric; interval: Interval; compare: boolean; left: number; top: number; width: number }) {
  const before = compare && point.previousLabel !== undefined;
  const change = before && !point.unfinished ? changeOf(metric, point.value, point.previous) : null;
  const side = left > width / 2 ? { right: `${width - left + 14}px` } : { left: `${left + 14}px` };
  return (
    <div class="tooltip" aria-hidden="true" style={{ ...side, top: `${Math.max(0, top - 30)}px` }}>
      <div class="tooltip-head">
        <span>{metricFacts(metric).label}</span>
        {change && <span class={change.mood}>{sayChange(change)}</span>}
      </div>
      <div class="tooltip-row now">
        <span>{bucketName(point.label, interval)}{point.unfinished ? ", so far" : ""}</span>
        <b>{showMetric(metric, point.value, true)}</b>
      </div>
      {before && (
        <div class="tooltip-row before">
          <span>{bucketName(point.previousLabel!, interval)}</span>
          <b>{showMetric(metric, point.previous, true)}</b>
        </div>
      )}
    </div>
  );
}

function Table({ points, metric, interval }: PlotProps) {
  const label = metricFacts(metric).label;
  const compared = points.some((p) => p.previousLabel !== undefined);
  return (
    <div class="visually-hidden" data-testid="chart-table">
      <table>
        <caption>{label} by {interval}, {rangeName(range.value)}</caption>
        <thead>
          <tr>
            <th scope="col">Time</th>
            <th scope="col">{label}</th>
            {compared && <th scope="col">{label} in the period before</th>}
          </tr>
        </thead>
        <tbody>
          {points.filter((p) => p.value !== null || p.previous !== null).map((p) => (
            <tr key={p.label}>
              <th scope="row">{bucketName(p.label, interval)}{p.unfinished ? " (so far)" : ""}</th>
              <td>{p.value === null ? "none" : showMetric(metric, p.value, true)}</td>
              {compared && <td>{p.previous === null ? "none" : showMetric(metric, p.previous, true)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
