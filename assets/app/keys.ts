// Keyboard shortcuts of the dashboard. They are silent while something is being typed or a dialog is open.

import { signal } from "@preact/signals";
import { intervals, intervalsFor, periods, shift } from "./periods.ts";
import { domain, go, place, show, sitePath, view } from "./router.ts";
import { app, choice, interval, range, site, today } from "./session.ts";
import { formatView, withChoice } from "./view.ts";

export const helpOpen = signal(false);
export const periodOpen = signal(false);
/** customOpen is whether the open period picker shows its two days. */
export const customOpen = signal(false);
export const filterOpen = signal(false);

periodOpen.subscribe((open) => {
  if (!open) customOpen.value = false;
});

/** shortcuts is the list the help shows; the periods' own letters stand in the picker too. */
export const shortcuts: readonly [string, string][] = [
  ...periods.map((p): [string, string] => [p.shortcut, p.label]),
  ["← →", "Previous and next period"],
  ["I", "Next interval of the chart"],
  ["X", "Show or hide the period before"],
  ["/", "Add a filter, or search in Details"],
  ["Esc", "Clear the filters, or close what is open"],
  ["1 … 9", "Go to a site"],
  ["0", "All sites"],
  ["?", "This list"],
];

export function startKeys(): void {
  document.addEventListener("keydown", (e) => {
    if (e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey || busyElsewhere(e.target)) return;
    if (press(e.key)) e.preventDefault();
  });
}

function busyElsewhere(target: EventTarget | null): boolean {
  if (document.querySelector("dialog[open]")) return true;
  return target instanceof HTMLElement && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));
}

/** press acts on a key and tells whether it meant anything. */
function press(key: string): boolean {
  if (!app.value) return false;
  if (key === "?") {
    helpOpen.value = true;
    return true;
  }
  const sites = app.value.sites;
  if (key === "0" && sites.length > 1) {
    go("/");
    return true;
  }
  const nth = sites[Number(key) - 1];
  if (/^[1-9]$/.test(key) && nth) {
    if (nth.domain !== domain.value) go(sitePath(nth.domain));
    return true;
  }
  return site.value !== undefined && view.value.page === undefined && pressOnDashboard(key);
}

function pressOnDashboard(key: string): boolean {
  const period = periods.find((p) => p.shortcut === key.toUpperCase());
  if (period?.key === "custom") {
    periodOpen.value = true;
    customOpen.value = true;
    return true;
  }
  if (period) {
    go(place.value.path, formatView(withChoice(view.value, { period: period.key })));
    return true;
  }
  switch (key.toLowerCase()) {
    case "arrowleft":
    case "arrowright": {
      const next = shift(choice.value, key === "ArrowLeft" ? -1 : 1, today.value);
      if (next) go(place.value.path, formatView(withChoice(view.value, next)));
      return next !== null;
    }
    case "i": {
      const { allowed } = intervalsFor(choice.value, range.value);
      const next = allowed[(allowed.indexOf(interval.value) + 1) % allowed.length];
      show({ interval: intervals.find((i) => i === next) });
      return true;
    }
    case "x":
      show({ compare: !view.value.compare });
      return true;
    case "/":
      filterOpen.value = true;
      return true;
    case "escape":
      if (view.value.filters.length === 0) return false;
      show({ filters: [] });
      return true;
  }
  return false;
}
