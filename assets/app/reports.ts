// The reports behind the panels: what each tab asks for, which columns its Details show, and what a click on a row filters.

import { dimensionOf, type Filter, type FilterKey, soleValue, valueName } from "./filters.ts";
import type { Column } from "./metrics.ts";

export type PanelKey = "sources" | "pages" | "locations" | "devices";

export const utmKeys = ["utm_medium", "utm_source", "utm_campaign", "utm_content", "utm_term"] as const;

export type ReportKey = "channels" | "sources" | (typeof utmKeys)[number] | "pages" | "entry_pages" | "exit_pages" | "countries" | "regions" | "cities" | "browsers" | "systems" | "sizes";

export interface Report {
  key: ReportKey;
  panel: PanelKey;
  /** Name of the tab. */
  tab: string;
  /** Name of the first column and title of Details. */
  title: string;
  filter: FilterKey;
  columns: readonly Column[];
}

const visitColumns: readonly Column[] = ["visitors", "percentage", "bounce_rate", "visit_duration"];

const utm = (key: (typeof utmKeys)[number], title: string): Report => ({ key, panel: "sources", tab: "Campaigns", title, filter: key, columns: visitColumns });

export const reports: readonly Report[] = [
  { key: "channels", panel: "sources", tab: "Channels", title: "Channel", filter: "channel", columns: visitColumns },
  { key: "sources", panel: "sources", tab: "Sources", title: "Source", filter: "source", columns: visitColumns },
  utm("utm_campaign", "UTM campaign"),
  utm("utm_medium", "UTM medium"),
  utm("utm_source", "UTM source"),
  utm("utm_content", "UTM content"),
  utm("utm_term", "UTM term"),
  { key: "pages", panel: "pages", tab: "Top", title: "Page", filter: "page", columns: ["visitors", "percentage", "pageviews", "bounce_rate"] },
  { key: "entry_pages", panel: "pages", tab: "Entry", title: "Entry page", filter: "entry_page", columns: ["visitors", "percentage", "visits", "bounce_rate", "visit_duration"] },
  { key: "exit_pages", panel: "pages", tab: "Exit", title: "Exit page", filter: "exit_page", columns: ["visitors", "percentage", "visits"] },
  { key: "countries", panel: "locations", tab: "Countries", title: "Country", filter: "country", columns: visitColumns },
  { key: "regions", panel: "locations", tab: "Regions", title: "Region", filter: "region", columns: visitColumns },
  { key: "cities", panel: "locations", tab: "Cities", title: "City", filter: "city", columns: visitColumns },
  { key: "browsers", panel: "devices", tab: "Browsers", title: "Browser", filter: "browser", columns: visitColumns },
  { key: "systems", panel: "devices", tab: "Systems", title: "System", filter: "os", columns: visitColumns },
  { key: "sizes", panel: "devices", tab: "Sizes", title: "Size", filter: "device", columns: visitColumns },
];

export const panels: Readonly<Record<PanelKey, { title: string; normal: ReportKey }>> = {
  sources: { title: "Sources", normal: "sources" },
  pages: { title: "Pages", normal: "pages" },
  locations: { title: "Locations", normal: "countries" },
  devices: { title: "Devices", normal: "browsers" },
};

export const panelKeys: readonly PanelKey[] = ["sources", "pages", "locations", "devices"];

export function isReport(text: string): text is ReportKey {
  return reports.some((r) => r.key === text);
}

export function reportOf(key: ReportKey): Report {
  return reports.find((r) => r.key === key) ?? reports[0]!;
}

/** tabsOf lists a panel's tabs; the five campaign tags share one. */
export function tabsOf(panel: PanelKey): Report[] {
  return reports.filter((r, i) => r.panel === panel && reports.findIndex((o) => o.panel === panel && o.tab === r.tab) === i);
}

/**
 * drill looks one level deeper where a filter leaves only one value: the versions of the browser, those of the system, the referrers
 * of the source.
 */
export function drill(report: Report, filters: readonly Filter[]): Report {
  const deeper: Partial<Record<ReportKey, { filter: FilterKey; title: string }>> = {
    browsers: { filter: "browser_version", title: "Browser version" },
    systems: { filter: "os_version", title: "System version" },
    sources: { filter: "referrer", title: "Referrer" },
  };
  const next = deeper[report.key];
  const value = soleValue(filters, report.filter);
  if (!next || value === undefined || value === "Direct / None") return report;
  return { ...report, filter: next.filter, title: next.title };
}

export const dimension = (r: Report): string => dimensionOf(r.filter);

/** placed tells reports whose rows lie in a country: cities of one name are told apart by it, and it has the flag. */
export const placed = (r: Report): boolean => r.filter === "region" || r.filter === "city";

/** dimensions are what a report asks by. */
export const dimensions = (r: Report): string[] => (placed(r) ? [dimension(r), dimensionOf("country")] : [dimension(r)]);

/** plural is what many of a report's rows are called. */
export const plural = (r: Report): string => (r.title.endsWith("y") ? r.title.slice(0, -1) + "ies" : r.title + "s");

/** rowName is how a dimension's value reads in a table. */
export function rowName(r: Report, value: string, filters: readonly Filter[]): string {
  if (r.filter === "country" || (r.filter === "region" && value !== "")) return valueName(r.filter, value);
  if (value === "") return "(not set)";
  if (r.filter === "browser_version") return versionName(soleValue(filters, "browser"), value);
  if (r.filter === "os_version") return versionName(soleValue(filters, "os"), value);
  return value;
}

function versionName(product: string | undefined, version: string): string {
  return product && version !== "(not set)" ? `${product} ${version}` : version;
}

/** clause is the filter value of a row, undefined where the row cannot be filtered on: the API knows countries by two letters only. */
export function clause(r: Report, value: string): string | undefined {
  if (r.filter === "country" || placed(r)) return value === "" ? undefined : value;
  return value === "" ? "(not set)" : value;
}

/** ruleKind is the kind of rule that can leave out what a row counts, undefined where none can. */
export function ruleKind(r: Report, value: string): "page" | "country" | undefined {
  if (r.panel === "pages" && value.startsWith("/")) return "page";
  return r.filter === "country" && value !== "" ? "country" : undefined;
}

/** hides tells rows a panel leaves out: visits without campaign tags, or whose place is not known, would dwarf those with. */
export function hides(r: Report, value: string): boolean {
  return (r.tab === "Campaigns" && (value === "(not set)" || value === "")) || (placed(r) && value === "");
}
