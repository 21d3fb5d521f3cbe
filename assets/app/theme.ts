// Light or dark: the system's wish, unless the operator chose. The choice is kept on the operator's own device.

import { signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const key = "footfall.theme";
const system = matchMedia("(prefers-color-scheme: dark)");

export const theme = signal<Theme>(stored());

/** dark is what is shown now; the chart, which is no CSS, looks here. */
export const dark = signal(false);

function stored(): Theme {
  try {
    const kept = localStorage.getItem(key);
    return kept === "light" || kept === "dark" ? kept : "system";
  } catch {
    return "system"; // storage may be forbidden; then the choice lasts as long as the page
  }
}

function apply(): void {
  const t = theme.value;
  if (t === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = t;
  dark.value = t === "dark" || (t === "system" && system.matches);
}

export function startTheme(): void {
  system.addEventListener("change", apply);
  apply();
}

export function chooseTheme(t: Theme): void {
  theme.value = t;
  try {
    if (t === "system") localStorage.removeItem(key);
    else localStorage.setItem(key, t);
  } catch {
    // see stored
  }
  apply();
}
