// The chart itself, drawn by uPlot. The x axis counts buckets, not seconds: labels are wall-clock times of the site and
// never pass through the browser's time zone.

import uPlot from "uplot";
import { tickName } from "./format.ts";
import { type Metric, metricFacts, showMetric } from "./metrics.ts";
import type { Interval } from "./periods.ts";
import { type Point, ticks } from "./series.ts";

export interface PlotConfig {
  points: Point[];
  metric: Metric;
  interval: Interval;
  compare: boolean;
  width: number;
  height: number;
  /** Called with the bucket under the pointer and its place in CSS pixels, or with null. */
  onHover: (hover: { index: number; left: number; top: number } | null) => void;
}

interface Colors {
  line: string;
  soft: string;
  clear: string;
  before: string;
  grid: string;
  text: string;
  surface: string;
}

const pixelsPerTick = 76;
const pixelsPerHour = 52;
const second = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400];
const whole = [1, 2, 5, 10, 20, 50, 100, 200, 500].flatMap((n, _, all) => (n === 1 ? [1e0, 1e3, 1e6, 1e9].flatMap((k) => all.map((m) => m * k)) : []));

/** makePlot draws into el and returns the chart, whose owner destroys it. */
export function makePlot(el: HTMLElement, config: PlotConfig): uPlot {
  const { points, metric, interval } = config;
  const colors = readColors(el);
  const kind = metricFacts(metric).kind;
  const present = points.findIndex((p) => p.unfinished);
  const only = onlyBucket(points);
  const line = points.map((p, i) => (i === only ? null : p.value));
  const begun = present - 1 === only ? present - 2 : present - 1;
  const done = line.map((v, i) => (present >= 0 && i >= present ? null : v));
  const dashed = line.map((v, i) => (present >= 0 && (i === present || i === begun) ? v : null));
  const dot = points.map((p, i) => (i === only ? p.value : null));
  const before = points.map((p) => (config.compare ? p.previous : null));
  const lone = points.filter((p) => p.value !== null).length <= 1;
  const labels = points.map((p) => p.label);
  const spanDays = labels.length * { hour: 1 / 24, day: 1, week: 7, month: 30.5 }[interval];

  const options: uPlot.Options = {
    width: config.width,
    height: config.height,
    padding: [12, 24, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: false, y: false },
      points: { size: 9, width: 2, fill: (_u, i) => (i === 1 ? colors.before : colors.line), stroke: () => colors.surface },
    },
    scales: {
      x: { time: false, range: (_u, min, max) => (min === max ? [min - 0.5, max + 0.5] : [min, max]) },
      y: { range: (_u, _min, max) => [0, kind === "percent" ? Math.min(100, roof(max)) : roof(max)] },
    },
    series: [
      {},
      { stroke: colors.before, width: 1.5, spanGaps: true, points: { show: lone && config.compare, size: 5, fill: colors.before } },
      { stroke: colors.line, width: 2, fill: (u) => fade(u, colors), spanGaps: true, points: { show: lone, size: 7, fill: colors.line } },
      { stroke: colors.line, width: 2, dash: [5, 5], fill: (u) => fade(u, colors), spanGaps: true, points: { show: lone || present === 0, size: 7, fill: colors.line } },
      { width: 0, paths: () => null, points: { show: only >= 0, size: 9, fill: colors.line } },
    ],
    axes: [
      {
        stroke: colors.text,
        font: fontOf(el),
        size: 30,
        gap: 8,
        grid: { show: false },
        ticks: { show: false },
        splits: (u) => ticks(labels, interval, Math.floor(u.width / (interval === "hour" ? pixelsPerHour : pixelsPerTick))),
        values: (_u, splits) => splits.map((i) => tickName(labels[i] ?? "", interval, spanDays)),
      },
      {
        stroke: colors.text,
        font: fontOf(el),
        size: (_u, values) => 16 + 7 * Math.max(2, ...(values ?? []).map((v) => v.length)),
        gap: 8,
        space: 44,
        incrs: kind === "seconds" ? second : kind === "ratio" ? [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50] : whole,
        grid: { stroke: colors.grid, width: 1 },
        ticks: { show: false },
        values: (_u, splits) => splits.map((v) => (v === 0 ? "0" : showMetric(metric, v).replace(" 00s", "").replace(" 0m", ""))),
      },
    ],
    hooks: {
      setCursor: [
        (u) => {
          const i = u.cursor.idx;
          if (i === null || i === undefined || (u.cursor.left ?? -1) < 0) return config.onHover(null);
          const value = points[i]?.value ?? points[i]?.previous ?? 0;
          config.onHover({ index: i, left: u.over.offsetLeft + u.valToPos(i, "x"), top: u.over.offsetTop + u.valToPos(value, "y") });
        },
      ],
    },
  };
  return new uPlot(options, [points.map((_, i) => i), before, done, dashed, dot], el);
}

/** onlyBucket is the one bucket in which anything happened, -1 if there is none or several. It is drawn as a dot: a line up to it would look like a rise. */
function onlyBucket(points: readonly Point[]): number {
  const filled = points.flatMap((p, i) => (p.value ? [i] : []));
  return filled.length === 1 ? filled[0]! : -1;
}

/** roof leaves some air above the highest point, and an axis where everything is zero. */
function roof(max: number | null): number {
  return max === null || max <= 0 ? 1 : max * 1.08;
}

function fade(u: uPlot, colors: Colors): CanvasGradient | string {
  const { top, height } = u.bbox;
  if (!Number.isFinite(height) || height <= 0) return colors.clear;
  const g = u.ctx.createLinearGradient(0, top, 0, top + height);
  g.addColorStop(0, colors.soft);
  g.addColorStop(1, colors.clear);
  return g;
}

/** readColors asks the style sheet; a probe is needed because a canvas understands no variables. */
function readColors(el: HTMLElement): Colors {
  const probe = document.createElement("i");
  el.append(probe);
  const read = (name: string): string => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const colors = {
    line: read("accent-line"),
    soft: read("chart-soft"),
    clear: read("chart-clear"),
    before: read("chart-before"),
    grid: read("line"),
    text: read("ink-faint"),
    surface: read("surface"),
  };
  probe.remove();
  return colors;
}

function fontOf(el: HTMLElement): string {
  return `12px ${getComputedStyle(el).fontFamily}`;
}
