// Filters: one condition on one dimension, as chips, in the URL and for the API.

import { countryName } from "./format.ts";
import { codesNamed, knownRegions, regionName } from "./regions.ts";

export const filterKeys = [
  "page", "entry_page", "exit_page", "hostname", "channel", "source", "referrer", "utm_medium", "utm_source", "utm_campaign", "utm_content",
  "utm_term", "country", "region", "city", "device", "browser", "browser_version", "os", "os_version", "language",
] as const;

export type FilterKey = (typeof filterKeys)[number];

export const operators = ["is", "is_not", "contains", "contains_not"] as const;

export type Operator = (typeof operators)[number];

export interface Filter {
  op: Operator;
  key: FilterKey;
  values: string[];
}

export type ApiFilter = [string, string, string[]] | [string, string, string[], { case_sensitive: boolean }];

const names: Record<FilterKey, string> = {
  page: "Page",
  entry_page: "Entry page",
  exit_page: "Exit page",
  hostname: "Host",
  channel: "Channel",
  source: "Source",
  referrer: "Referrer",
  utm_medium: "UTM medium",
  utm_source: "UTM source",
  utm_campaign: "UTM campaign",
  utm_content: "UTM content",
  utm_term: "UTM term",
  country: "Country",
  region: "Region",
  city: "City",
  device: "Size",
  browser: "Browser",
  browser_version: "Browser version",
  os: "System",
  os_version: "System version",
  language: "Language",
};

const operatorNames: Record<Operator, string> = { is: "is", is_not: "is not", contains: "contains", contains_not: "does not contain" };

const opposites: Record<Operator, Operator> = { is: "is_not", is_not: "is", contains: "contains_not", contains_not: "contains" };

export const filterName = (key: FilterKey): string => names[key];
export const operatorName = (op: Operator): string => operatorNames[op];

export function isFilterKey(text: string): text is FilterKey {
  return (filterKeys as readonly string[]).includes(text);
}

export function isOperator(text: string): text is Operator {
  return (operators as readonly string[]).includes(text);
}

/** operatorsFor leaves out searching by parts where values are codes. */
export function operatorsFor(key: FilterKey): readonly Operator[] {
  return key === "country" || key === "region" || key === "device" ? ["is", "is_not"] : operators;
}

/** dimensionOf is the API's name of what a filter looks at. */
export function dimensionOf(key: FilterKey): string {
  return (key === "page" || key === "hostname" ? "event:" : "visit:") + key;
}

export function valueName(key: FilterKey, value: string): string {
  if (key === "country") return countryName(value);
  return key === "region" ? regionName(value) : value;
}

/** maxCodes bounds a search for regions by what their names contain. */
const maxCodes = 100;

/** searchFor is the filter of a dimension's values that contain a text. Regions are stored by codes, whose names are known here only. */
export function searchFor(key: FilterKey, text: string): Filter {
  return { op: "contains", key, values: key === "region" ? [text, ...codesNamed(knownRegions(), text, maxCodes)] : [text] };
}

export function toApi(filters: readonly Filter[]): ApiFilter[] {
  return filters.map((f) =>
    f.op === "contains" || f.op === "contains_not"
      ? [f.op, dimensionOf(f.key), f.values, { case_sensitive: false }]
      : [f.op, dimensionOf(f.key), f.values],
  );
}

/** hasPage tells whether a filter names event:page, with which views_per_visit has no meaning. */
export function hasPage(filters: readonly Filter[]): boolean {
  return filters.some((f) => f.key === "page");
}

/** soleValue is the value a dimension is pinned to by an "is" filter of one value. */
export function soleValue(filters: readonly Filter[], key: FilterKey): string | undefined {
  const f = filters.find((f) => f.key === key && f.op === "is");
  return f?.values.length === 1 ? f.values[0] : undefined;
}

/** pick is a click on a row: pins the dimension to the value, or lets go if it is pinned there already. */
export function pick(filters: readonly Filter[], key: FilterKey, value: string): Filter[] {
  const rest = filters.filter((f) => !(f.key === key && f.op === "is"));
  return soleValue(filters, key) === value ? rest : [...rest, { op: "is", key, values: [value] }];
}

/** invert turns is into is not, contains into does not contain, and back. */
export function invert(f: Filter): Filter {
  return { ...f, op: opposites[f.op] };
}
