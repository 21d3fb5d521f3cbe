// Calendar days without a time zone, as "YYYY-MM-DD". Such strings sort as the days do. Arithmetic runs on UTC midnights,
// so no clock change of the browser's or the site's zone can move a day.

export type Day = string;

const dayMs = 86_400_000;

function utc(day: Day): number {
  return Date.parse(day + "T00:00:00Z");
}

function fromUtc(ms: number): Day {
  return new Date(ms).toISOString().slice(0, 10);
}

/** isDay accepts only days that exist: "2026-02-30" is none. */
export function isDay(text: string): boolean {
  return /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(utc(text)) && fromUtc(utc(text)) === text;
}

export function addDays(day: Day, n: number): Day {
  return fromUtc(utc(day) + n * dayMs);
}

/** addMonths keeps the day of the month, or takes the last one of a shorter month. */
export function addMonths(day: Day, n: number): Day {
  const months = Number(day.slice(0, 4)) * 12 + Number(day.slice(5, 7)) - 1 + n;
  const first = `${String(Math.floor(months / 12)).padStart(4, "0")}-${String((months % 12) + 1).padStart(2, "0")}-01`;
  const wanted = addDays(first, Number(day.slice(8)) - 1);
  return wanted.slice(0, 7) === first.slice(0, 7) ? wanted : lastOfMonth(first);
}

export function firstOfMonth(day: Day): Day {
  return day.slice(0, 8) + "01";
}

export function lastOfMonth(day: Day): Day {
  return addDays(firstOfMonth(addDays(firstOfMonth(day), 31)), -1);
}

export function firstOfYear(day: Day): Day {
  return day.slice(0, 5) + "01-01";
}

export function monday(day: Day): Day {
  return addDays(day, -((new Date(utc(day)).getUTCDay() + 6) % 7));
}

/** countDays counts both ends: one day counts 1. */
export function countDays(first: Day, last: Day): number {
  return Math.round((utc(last) - utc(first)) / dayMs) + 1;
}

/** todayIn is the calendar day in a named zone at an instant. */
export function todayIn(zone: string, now: Date): Day {
  const parts = new Intl.DateTimeFormat("en-US", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit" }).formatToParts(now);
  const part = (type: string) => parts.find((p) => p.type === type)?.value ?? "";
  return `${part("year")}-${part("month")}-${part("day")}`;
}

/** wallClock turns a label "YYYY-MM-DD" or "YYYY-MM-DD HH:MM:SS" into an instant that shows the same digits when formatted in UTC. */
export function wallClock(label: string): Date {
  return new Date(label.slice(0, 10) + "T" + (label.slice(11) || "00:00:00") + "Z");
}
