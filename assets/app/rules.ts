// Rules of what is counted, in words.

import type { Rule, RuleMode, Tried } from "./api.ts";
import { countryName, dayName, events, fullNumber } from "./format.ts";

/** How a rule of a kind reads in the list, and what is asked for to make one. */
interface Words {
  name: string;
  /** Reads a rule: "Address 192.0.2.7". */
  say: (value: string) => string;
  placeholder: string;
}

const quietly = (text: string) => () => text;
const perMinute = (of: string) => (value: string) => `More than ${fullNumber(Number(value))} events a minute of ${of}`;

const words: Record<string, Words> = {
  address: { name: "Address", say: (v) => v, placeholder: "192.0.2.7 or 2001:db8::/32" },
  country: { name: "Country", say: (v) => (v === unknownCountry ? "Country not known" : countryName(v)), placeholder: "Netherlands or NL" },
  page: { name: "Page", say: (v) => v, placeholder: "/admin/**" },
  host: { name: "Only this host", say: (v) => v, placeholder: "example.org or *.example.org" },
  spam: { name: "Spam referrers", say: quietly("Spam referrers"), placeholder: "" },
  datacentre: { name: "Data centres", say: quietly("Data centres"), placeholder: "" },
  address_rate: { name: "One address", say: perMinute("one address"), placeholder: "" },
  site_rate: { name: "The whole site", say: perMinute("the whole site"), placeholder: "" },
  device: { name: "Do not count me", say: quietly("Browsers that followed the link"), placeholder: "" },
};

/** unknownCountry stands for addresses that no database of places knows. */
export const unknownCountry = "ZZ";

/** kindName is what a kind is called; one that this page does not know is shown as it is. */
export const kindName = (kind: string): string => words[kind]?.name ?? kind;
export const placeholderOf = (kind: string): string => words[kind]?.placeholder ?? "";
export const sayRule = (r: Pick<Rule, "kind" | "value">): string => words[r.kind]?.say(r.value) ?? r.value;

/** hasRate tells kinds whose value is a number of events. */
export const hasRate = (kind: string): boolean => kind === "address_rate" || kind === "site_rate";

export const modes: readonly { mode: RuleMode; name: string; help: string }[] = [
  { mode: "drop", name: "Drop", help: "Not counted" },
  { mode: "watch", name: "Watch", help: "Counted, and so is how many would have been dropped" },
  { mode: "off", name: "Off", help: "The rule does nothing" },
];

/**
 * sayCount says what a rule did in so many days; of what holds without a rule, not all is known. Up to the day of its last change a rule
 * may have had another mode: then all that is said is how many events it met.
 */
export function sayCount(r: Rule, days: number): string {
  if (r.count === 0) return r.mode === "off" || r.id === 0 ? "" : `Nothing yet in ${days} days`;
  const changed = r.time?.slice(0, 10) ?? "";
  const sure = r.mode !== "off" && Object.keys(r.days ?? {}).every((day) => day > changed);
  if (!sure) return `Met ${events(r.count)} in ${days} days`;
  return r.mode === "drop" ? `Dropped ${events(r.count)} in ${days} days` : `Would have dropped ${events(r.count)} in ${days} days`;
}

/** sayAge says since when a rule is as it is. */
export const sayAge = (r: Rule): string => (r.time ? `since ${dayName(r.time.slice(0, 10))}` : "");

/** sayTried says what a rule would have done in the last so many days. */
export function sayTried(t: Tried, days: number): string {
  const span = `of the last ${days} days`;
  if (!t.known) return t.advice || "There is a rule about this already: see below what it met.";
  if (t.events === 0) return `No events ${span} to try it on.`;
  if (t.advice !== "") return t.advice;
  return t.would_drop === 0 ? `Would have dropped none of the ${events(t.events)} ${span}.` : `Would have dropped ${fullNumber(t.would_drop)} of the ${events(t.events)} ${span}.`;
}

/** countryCode finds the code of a country by its name or code; what is neither is left for the server to refuse. */
export function countryCode(typed: string): string {
  const wanted = typed.trim().toLowerCase();
  return countries().find(({ code, name }) => name.toLowerCase() === wanted || code.toLowerCase() === wanted)?.code ?? typed.trim();
}

let made: { code: string; name: string }[] | undefined;

/** countries lists those that the browser has a name for. */
export function countries(): { code: string; name: string }[] {
  if (made) return made;
  const letters = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"];
  made = letters
    .flatMap((a) => letters.map((b) => ({ code: a + b, name: countryName(a + b) })))
    .filter(({ code, name }) => name !== code && !notCountries.has(code) && new Intl.Locale("und-" + code).region === code) // states of the past become others
    .sort((a, b) => a.name.localeCompare(b.name, "en"));
  made.push({ code: unknownCountry, name: "Country not known" });
  return made;
}

/** Codes that have a name and no country: unions, parts of countries, and what stands for none. */
const notCountries = new Set(["AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"]);
