// How numbers, durations, changes and times are written. Words are English, dates follow the reader's own kind of English.

import { type Day, wallClock } from "./dates.ts";
import type { Interval, Range } from "./periods.ts";

const locale = (typeof navigator === "undefined" ? [] : navigator.languages).find((l) => l.startsWith("en")) ?? "en-GB";

const thousands = new Intl.NumberFormat(locale);

/** fullNumber writes all digits: 12,345. */
export function fullNumber(n: number): string {
  return thousands.format(n);
}

/** events counts events in words: 1 event, 12 events. */
export const events = (n: number): string => `${fullNumber(n)} ${n === 1 ? "event" : "events"}`;

/** capital lets a text of the server begin a sentence. */
export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** sentence makes one of a clause. */
export const sentence = (clause: string): string => (clause === "" ? "" : capital(clause) + (clause.endsWith(".") ? "" : "."));

/** shortNumber writes at most four characters of number: 999, 1.2k, 12k, 1.2M. */
export function shortNumber(n: number): string {
  for (const [size, unit] of [[1e9, "B"], [1e6, "M"], [1e3, "k"]] as const) {
    // 999,950 and more would round to "1000k", so a unit starts where the one below rounds up to it.
    if (Math.abs(n) < size && !(size > 1e3 && Math.abs(n) >= size * 0.9995)) continue;
    const scaled = n / size;
    const digits = Math.abs(scaled) < 9.95 ? 1 : 0;
    return scaled.toFixed(digits).replace(/\.0$/, "") + unit;
  }
  return thousands.format(n);
}

/** duration writes seconds: 45s, 2m 05s, 1h 2m. */
export function duration(seconds: number): string {
  const s = Math.round(seconds);
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m ${String(s % 60).padStart(2, "0")}s`;
  return `${Math.floor(s / 3600)}h ${Math.floor((s % 3600) / 60)}m`;
}

/** percent writes a share with one decimal below ten, so that the digits of a column stand under each other: 0.4%, 9.0%, 12%. */
export function percent(p: number): string {
  if (p > 0 && p < 0.1) return "<0.1%";
  return `${p > 0 && p < 9.95 ? p.toFixed(1) : Math.round(p)}%`;
}

// "15" alone is no time to a reader of the 24-hour clock, "3 pm" is one to others.
const clock12 = new Intl.DateTimeFormat(locale, { hour: "numeric" }).resolvedOptions().hour12 === true;
const clock: Intl.DateTimeFormatOptions = clock12 ? { hour: "numeric" } : { hour: "2-digit", minute: "2-digit" };

const formats = {
  day: { weekday: "short", day: "numeric", month: "short" },
  dayYear: { day: "numeric", month: "short", year: "numeric" },
  dayOnly: { day: "numeric", month: "short" },
  longDay: { weekday: "long", day: "numeric", month: "long", year: "numeric" },
  month: { month: "long", year: "numeric" },
  shortMonth: { month: "short" },
  monthYear: { month: "short", year: "2-digit" },
  year: { year: "numeric" },
  hour: clock,
  shortDay: { weekday: "short", day: "numeric" },
  fullHour: { weekday: "short", day: "numeric", month: "short", ...clock },
} satisfies Record<string, Intl.DateTimeFormatOptions>;

const made = new Map<string, Intl.DateTimeFormat>();

function write(label: string, format: keyof typeof formats): string {
  let f = made.get(format);
  if (!f) {
    f = new Intl.DateTimeFormat(locale, { ...formats[format], timeZone: "UTC" });
    made.set(format, f);
  }
  return f.format(wallClock(label));
}

/** bucketName names one bucket of a chart in full. */
export function bucketName(label: string, interval: Interval): string {
  switch (interval) {
    case "hour":
      return write(label, "fullHour");
    case "day":
      return write(label, "longDay");
    case "week":
      return `Week of ${write(label, "dayYear")}`;
    case "month":
      return write(label, "month");
  }
}

/** tickName names a bucket on the axis. spanDays is the length of the whole axis. */
export function tickName(label: string, interval: Interval, spanDays: number): string {
  switch (interval) {
    case "hour":
      return write(label, spanDays > 1 ? "shortDay" : "hour");
    case "month":
      return spanDays > 370 || label.slice(5, 7) === "01" ? write(label, "monthYear") : write(label, "shortMonth");
    default:
      return spanDays > 370 ? write(label, "monthYear") : write(label, "dayOnly");
  }
}

/** rangeName names a span of days as briefly as it can be: a day, a month, a year, or two ends. */
export function rangeName({ first, last }: Range): string {
  if (first === last) return write(first, "day");
  if (first.slice(0, 4) !== last.slice(0, 4)) return `${write(first, "dayYear")} – ${write(last, "dayYear")}`;
  return `${write(first, "dayOnly")} – ${write(last, "dayYear")}`;
}

export const monthName = (day: Day): string => write(day, "month");
export const yearName = (day: Day): string => write(day, "year");
export const dayName = (day: Day): string => write(day, "dayYear");

const moments = new Intl.DateTimeFormat(locale, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

/** moment writes a time of the server, by the reader's own clock. */
export const moment = (time: string): string => moments.format(new Date(time));

const regionNames = typeof Intl.DisplayNames === "undefined" ? null : new Intl.DisplayNames([locale], { type: "region", fallback: "code" });

/** countryName turns a two-letter code into a name; what is no code is shown as it is. */
export function countryName(code: string): string {
  if (!/^[A-Z]{2}$/.test(code)) return code === "" ? "Unknown" : code;
  return regionNames?.of(code) ?? code;
}

/** zoneName writes the name of a time zone. */
export const zoneName = (zone: string): string => zone.replaceAll("_", " ");
