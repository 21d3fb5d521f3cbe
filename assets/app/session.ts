// Who is looking, at which sites, and what time it is there.

import { computed, signal } from "@preact/signals";
import { ApiError, type AppState, getState, getStatus, type Site, type Status } from "./api.ts";
import { type Day, todayIn } from "./dates.ts";
import { type Choice, defaultPeriod, type Interval, intervalsFor, normalPeriod, type Range, rangeOf } from "./periods.ts";
import { domain, view } from "./router.ts";

/** app is undefined until the server has answered for the first time. */
export const app = signal<AppState | undefined>(undefined);

/** trouble is why there is no app. */
export const trouble = signal<string | undefined>(undefined);

/** status belongs to the site at hand; undefined while it is being fetched. */
export const status = signal<(Status & { domain: string }) | undefined>(undefined);
export const statusTrouble = signal<string | undefined>(undefined);

/** skew is the server's clock minus this one's, in milliseconds. */
const skew = signal(0);

/** minute ticks so that "today" moves on at the site's midnight. */
const minute = signal(0);
setInterval(() => minute.value++, 60_000);

export const site = computed<Site | undefined>(() => app.value?.sites.find((s) => s.domain === domain.value));

const known = computed(() => (status.value?.domain === domain.value ? status.value : undefined));

/** timezone is the one in force at the site now. */
export const timezone = computed<string>(() => known.value?.timezone ?? site.value?.timezone ?? "UTC");

export const today = computed<Day>(() => {
  void minute.value;
  const clock = todayIn(timezone.value, new Date(Date.now() + skew.value));
  // On the first day after a change of zone the clock may still show the day before.
  return known.value && known.value.today > clock ? known.value.today : clock;
});

export const choice = computed<Choice>(() => {
  const v = view.value;
  return { period: v.period ?? (status.value?.domain === domain.value ? defaultPeriod(status.value.first, today.value) : normalPeriod), date: v.date, from: v.from, to: v.to };
});

const rangeText = computed(() => {
  const { first, last } = rangeOf(choice.value, today.value, status.value?.first ?? null);
  return `${first}/${last}`;
});

/** range is made from text, so that it changes only when its days do. */
export const range = computed<Range>(() => {
  const [first = "", last = ""] = rangeText.value.split("/");
  return { first, last };
});

export const interval = computed<Interval>(() => {
  const { allowed, normal } = intervalsFor(choice.value, range.value);
  const wanted = view.value.interval;
  return wanted && allowed.includes(wanted) ? wanted : normal;
});

export async function loadApp(): Promise<void> {
  try {
    app.value = await getState();
    trouble.value = undefined;
  } catch (err) {
    trouble.value = say(err);
  }
}

/** loadStatus asks after a site; the answer is dropped if the reader has moved on meanwhile. */
export async function loadStatus(of: string): Promise<void> {
  try {
    const answer = await getStatus(of);
    if (domain.value !== of) return;
    skew.value = Date.parse(answer.now) - Date.now();
    statusTrouble.value = undefined;
    status.value = { ...answer, domain: of };
  } catch (err) {
    if (domain.value === of) statusTrouble.value = say(err);
  }
}

/** say turns an error into a sentence, and notices that the login has run out. */
export function say(err: unknown): string {
  if (err instanceof ApiError) {
    if (err.status === 401 && app.value && !app.value.demo) app.value = { ...app.value, user: null, sites: [] };
    return err.message;
  }
  return err instanceof Error ? err.message : String(err);
}
