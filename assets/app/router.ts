// The address bar as a signal. Every page is one document; going somewhere is a change of this signal.

import { computed, signal } from "@preact/signals";
import { formatView, parseView, type View } from "./view.ts";

export interface Place {
  path: string;
  search: string;
}

const here = (): Place => ({ path: location.pathname, search: location.search });

export const place = signal<Place>(here());

/** domain of the dashboard the address names, "" on other pages. */
export const domain = computed(() => {
  const path = place.value.path.replace(/^\/+|\/+$/g, "");
  if (path === "login" || path === "setup") return "";
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
});

export const view = computed(() => parseView(place.value.search));

addEventListener("popstate", () => {
  place.value = here();
});

/** go shows another page; replace leaves no entry in the history. */
export function go(path: string, search = "", how: "push" | "replace" = "push"): void {
  if (path === location.pathname && search === location.search) return;
  // Steps counts the pages of ours one can go back to, so that closing a dialog can be the same as going back.
  const steps = how === "push" ? stepsBack() + 1 : stepsBack();
  history[how === "push" ? "pushState" : "replaceState"]({ steps }, "", path + search);
  place.value = here();
}

function stepsBack(): number {
  const state: unknown = history.state;
  return typeof state === "object" && state !== null && "steps" in state && typeof state.steps === "number" ? state.steps : 0;
}

/** show changes the view of the dashboard at hand. */
export function show(change: Partial<View>, how: "push" | "replace" = "push"): void {
  go(place.value.path, formatView({ ...view.value, ...change }), how);
}

/** closeDetails goes back to the page the dialog was opened on. */
export function closeDetails(): void {
  if (stepsBack() > 0 && parseView(location.search).details !== undefined && openedHere) {
    openedHere = false;
    history.back();
  } else {
    show({ details: undefined }, "replace");
  }
}

let openedHere = false;

export function openDetails(details: NonNullable<View["details"]>): void {
  show({ details });
  openedHere = true;
}

export function sitePath(siteDomain: string): string {
  return "/" + siteDomain.split("/").map(encodeURIComponent).join("/");
}

/** follow turns a click on one of our own links into go, and leaves clicks meant for new tabs alone. */
export function follow(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.currentTarget;
  if (!(link instanceof HTMLAnchorElement) || link.origin !== location.origin) return;
  event.preventDefault();
  go(link.pathname, link.search);
}
