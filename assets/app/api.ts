// The server's JSON, and the only place that fetches it.

import type { Day } from "./dates.ts";
import type { ApiFilter } from "./filters.ts";
import type { Column } from "./metrics.ts";

export interface Site {
  domain: string;
  timezone: string;
  created: string;
  /** Zones that are to come into force, each with its first day. */
  timezone_changes?: { timezone: string; first_day: string }[];
  script: ScriptSettings & { id: string };
}

/** What a site's own script does beside counting pageviews. */
export interface ScriptSettings {
  outbound_links: boolean;
  file_downloads: boolean;
  form_submissions: boolean;
  hash: boolean;
}

export interface AppState {
  version: string;
  demo: boolean;
  /** No account exists yet. */
  setup: boolean;
  /** Whoever looks may add sites. */
  add: boolean;
  user: { email: string } | null;
  sites: Site[];
  /** Where the operator serves the tracking script besides. */
  script_path?: string;
}

export interface Status {
  events: number;
  first: string | null;
  last: string | null;
  now: string;
  today: string;
  timezone: string;
}

export interface Query {
  metrics: Column[];
  date_range: [string, string] | "all";
  dimensions?: string[];
  filters?: ApiFilter[];
  order_by?: [string, "asc" | "desc"][];
  include?: { time_labels?: true; total_rows?: true };
  pagination?: { limit: number; offset: number };
  compare?: true;
}

export interface Row {
  dimensions: string[];
  metrics: (number | null)[];
}

interface Meta {
  time_labels?: string[];
  present_index?: number;
  total_rows?: number;
}

export interface Result {
  results: Row[];
  meta?: Meta;
  query?: { date_range?: [string, string] };
  comparison?: { results: Row[]; meta?: Meta; query?: { date_range?: [string, string] } };
}

export interface Reason {
  reason: string;
  /** A clause that explains it, "" where the server knows none. */
  help: string;
  count: number;
  /** By day, where there are any. */
  days?: Record<Day, number>;
}

/** Left is what was not counted, by reason, and how many values of a dimension are counted as "(other)". */
export interface Left {
  /** Events of the period that are counted. */
  counted: number;
  reasons: Reason[];
  /** Counted, although a rule in watch mode is about them. */
  watched: Reason[];
  other: { dimension: string; count: number }[];
}

/** Snapshots is how the copies of the data in a bucket are doing; null where there are none. */
export interface Snapshots {
  state: "starting" | "copying" | "streaming" | "waiting" | "fenced" | "stopped";
  restorable_to: string | null;
  /** Nothing has changed since. */
  settled: boolean;
  /** Why somebody should look; empty if all is well. */
  problem: string;
  fenced: boolean;
  proven: string | null;
  seconds: number;
  failed: string | null;
}

/** Siteless is what came since the server started and belongs to no site. */
export interface Siteless {
  since: string;
  reasons: Reason[];
}

/** Finding is one line of `footfall doctor`. */
export interface Finding {
  level: "ok" | "unknown" | "warning" | "problem";
  about: string;
  text: string;
  /** The setting or the command that mends it. */
  mend?: string;
}

export interface System {
  snapshots: Snapshots | null;
  siteless: Siteless;
  /** Whether visits are counted for visitors, and databases of places. */
  findings: Finding[];
}

export type RuleMode = "drop" | "watch" | "off";

export interface Rule {
  /** 0: nobody made a rule, and this is what holds without one. */
  id: number;
  kind: string;
  value: string;
  mode: RuleMode;
  note: string;
  by: string;
  time: string | null;
  /** Events it was about, of as many days as Rules says, and which of them. */
  count: number;
  days?: Record<Day, number>;
}

export interface RuleKind {
  kind: string;
  /** A site has one at most. */
  one: boolean;
  max: number;
  help: string;
}

export interface Rules {
  rules: Rule[];
  kinds: RuleKind[];
  days: number;
}

/** Tried is what a rule would have done to the events that were counted. */
export interface Tried {
  value: string;
  events: number;
  /** What it looks at is stored: if not, would_drop says nothing. */
  known: boolean;
  would_drop: number;
  top: { value: string; events: number }[];
  advice: string;
}

export interface IgnoreLink {
  url: string;
  /** The rule about it is in force. */
  works: boolean;
}

/** ApiError carries the server's own words; status 0 means that no answer came. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

async function call<T>(method: string, path: string, body?: object): Promise<T> {
  let response: Response;
  try {
    response = await fetch("/api/app/" + path, {
      method,
      headers: { Accept: "application/json", ...(body ? { "Content-Type": "application/json" } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  } catch {
    throw new ApiError(0, "The server cannot be reached.");
  }
  const text = await response.text();
  let answer: unknown = null;
  try {
    answer = text === "" ? null : JSON.parse(text);
  } catch {
    // An answer that is no JSON comes from something in between, such as a proxy's error page.
    throw new ApiError(response.ok ? 0 : response.status, `Something between you and the server answered instead of it (status ${response.status}).`);
  }
  if (!response.ok) throw new ApiError(response.status, errorText(answer) ?? `The server answered with status ${response.status}.`);
  return answer as T;
}

function errorText(answer: unknown): string | undefined {
  if (typeof answer !== "object" || answer === null || !("error" in answer)) return undefined;
  return typeof answer.error === "string" ? answer.error : undefined;
}

const at = (domain: string, verb: string): string => `sites/${encodeURIComponent(domain)}/${verb}`;

export const getState = (): Promise<AppState> => call("GET", "state");
export const getSystem = (): Promise<System> => call("GET", "system");
export const getCheckup = (): Promise<{ findings: Finding[] }> => call("GET", "doctor");
export const setup = (token: string, email: string, password: string): Promise<AppState> => call("POST", "setup", { token, email, password });
export const login = (email: string, password: string): Promise<unknown> => call("POST", "login", { email, password });
export const logout = (): Promise<unknown> => call("POST", "logout", {});
export const addSite = (domain: string, timezone: string): Promise<Site> => call("POST", "sites", { domain, timezone });
export const changeScript = (domain: string, script: Partial<ScriptSettings>): Promise<Site> => call("PUT", "sites/" + encodeURIComponent(domain), { script });
export const getStatus = (domain: string): Promise<Status> => call("GET", at(domain, "status"));
export const getCurrent = async (domain: string): Promise<number> => (await call<{ visitors: number }>("GET", at(domain, "current"))).visitors;
export const getFiltered = (domain: string, from: string, to: string): Promise<Left> => call("GET", at(domain, `filtered?from=${from}&to=${to}`));

export const getRules = (domain: string): Promise<Rules> => call("GET", at(domain, "rules"));
/** addRule adds a rule; of a kind of which a site has one, it changes that, and what is left out stays. */
export const addRule = (domain: string, rule: { kind: string } & Partial<Pick<Rule, "value" | "mode" | "note">>): Promise<Rule> => call("POST", at(domain, "rules"), rule);
export const changeRule = (domain: string, id: number, to: Partial<Pick<Rule, "value" | "mode" | "note">>): Promise<Rule> => call("PUT", at(domain, `rules/${id}`), to);
export const removeRule = (domain: string, id: number): Promise<Rule> => call("DELETE", at(domain, `rules/${id}`));
export const tryRule = (domain: string, kind: string, value: string, hours: number): Promise<Tried> => call("POST", at(domain, "rules/try"), { kind, value, hours });
export const getIgnoreLink = (domain: string): Promise<IgnoreLink> => call("GET", at(domain, "ignore-link"));
export const newIgnoreLink = (domain: string): Promise<IgnoreLink> => call("POST", at(domain, "ignore-link"), {});

/** ask sends queries in one request and gives their results in the same order. */
export const ask = async (domain: string, queries: Query[]): Promise<Result[]> => (await call<{ results: Result[] }>("POST", at(domain, "query"), { queries })).results;
