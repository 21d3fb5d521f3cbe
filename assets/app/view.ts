// The view: everything the dashboard shows is in the address, so that it can be kept, sent, and gone back to.
//
//	?period=30d&date=2026-03-01&f=is,page,/a,/b&metric=visits&interval=week&sources=channels&details=pages
//
// What has its normal value is left out, what makes no sense is passed over. In f the parts are percent-encoded one by one,
// so a comma inside a value is %2C.

import { type Day, isDay } from "./dates.ts";
import { type Filter, isFilterKey, isOperator } from "./filters.ts";
import { isMetric, type Metric } from "./metrics.ts";
import { type Choice, type Interval, intervals, type PeriodKey, periods } from "./periods.ts";
import { isReport, type PanelKey, panelKeys, panels, type ReportKey, reportOf } from "./reports.ts";

export type SitePage = "install" | "rules";

const sitePages: readonly SitePage[] = ["install", "rules"];

export interface View {
  /** Undefined is the site's default. */
  period: PeriodKey | undefined;
  date: Day | undefined;
  from: Day | undefined;
  to: Day | undefined;
  filters: Filter[];
  metric: Metric;
  /** Undefined is the period's default. */
  interval: Interval | undefined;
  /** Whether the chart draws the period before. */
  compare: boolean;
  tabs: Record<PanelKey, ReportKey>;
  /** The panel whose Details are open. */
  details: PanelKey | undefined;
  /** The page of the site that is wanted in place of its numbers: the snippet, or the rules of what is counted. */
  page: SitePage | undefined;
  /** What the form of the rules begins with: "page,/admin". */
  rule: { kind: string; value: string } | undefined;
}

/** maxFilters bounds what a pasted address can ask of the server. */
const maxFilters = 20;

export function parseView(search: string): View {
  const raw: [string, string][] = search
    .replace(/^\?/, "")
    .split("&")
    .filter((part) => part !== "")
    .map((part) => [part.split("=")[0]!, part.slice(part.indexOf("=") + 1)]);
  const get = (name: string): string => decode(raw.find(([k]) => k === name)?.[1] ?? "");
  const day = (name: string): Day | undefined => (isDay(get(name)) ? get(name) : undefined);

  const period = periods.find((p) => p.key === get("period"))?.key;
  const custom = period === "custom" && day("from") !== undefined && day("to") !== undefined;
  const metric = get("metric");
  const details = panelKeys.find((p) => p === get("details"));
  return {
    period: period === "custom" && !custom ? undefined : period,
    date: period !== undefined && period !== "custom" && period !== "all" ? day("date") : undefined,
    from: custom ? day("from") : undefined,
    to: custom ? day("to") : undefined,
    filters: raw.filter(([k]) => k === "f").slice(0, maxFilters).flatMap(([, v]) => parseFilter(v)),
    metric: isMetric(metric) ? metric : "visitors",
    interval: intervals.find((i) => i === get("interval")),
    compare: get("compare") !== "off",
    tabs: {
      sources: tab("sources", get("sources")),
      pages: tab("pages", get("pages")),
      locations: tab("locations", get("locations")),
      devices: tab("devices", get("devices")),
    },
    details,
    page: sitePages.find((p) => p === get("view")),
    rule: get("view") === "rules" ? parseRule(raw.find(([k]) => k === "rule")?.[1]) : undefined,
  };
}

function tab(panel: PanelKey, text: string): ReportKey {
  return isReport(text) && reportOf(text).panel === panel ? text : panels[panel].normal;
}

function parseRule(text: string | undefined): View["rule"] {
  const [kind = "", value = ""] = (text ?? "").split(",").map(decode);
  return kind !== "" && value !== "" ? { kind, value } : undefined;
}

function parseFilter(text: string): Filter[] {
  const [op = "", name = "", ...values] = text.split(",").map(decode);
  const key = name === "screen" ? "device" : name;
  if (!isOperator(op) || !isFilterKey(key) || values.length === 0) return [];
  return [{ op, key, values }];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replace(/\+/g, " "));
  } catch {
    return text;
  }
}

/** encode leaves readable what may stand in a query: slashes, colons, spaces as +. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/%2F/g, "/").replace(/%3A/g, ":").replace(/%20/g, "+");
}

/** formatView writes a view as a query string: "" or "?…". */
export function formatView(v: View): string {
  const parts: string[] = [];
  const put = (name: string, value: string | undefined) => {
    if (value !== undefined) parts.push(`${name}=${encode(value)}`);
  };
  put("period", v.period);
  put("date", v.date);
  put("from", v.from);
  put("to", v.to);
  for (const f of v.filters) parts.push("f=" + [f.op, f.key, ...f.values].map(encode).join(","));
  if (v.metric !== "visitors") put("metric", v.metric);
  put("interval", v.interval);
  if (!v.compare) put("compare", "off");
  for (const p of panelKeys) if (v.tabs[p] !== panels[p].normal) put(p, v.tabs[p]);
  put("details", v.details);
  put("view", v.page);
  if (v.page === "rules" && v.rule) parts.push("rule=" + [v.rule.kind, v.rule.value].map(encode).join(","));
  return parts.length > 0 ? "?" + parts.join("&") : "";
}

/** withChoice moves a view to another period. An interval chosen by hand stays only where dates move but the period does not. */
export function withChoice(v: View, c: Choice): View {
  return { ...v, period: c.period, date: c.date, from: c.from, to: c.to, interval: c.period === v.period ? v.interval : undefined };
}
