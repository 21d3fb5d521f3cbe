// The names of regions: browsers know those of countries only. They come in a file of their own, once something shows a region.

import { signal } from "@preact/signals";

/** Names are by country and by what follows the dash of an ISO 3166-2 code. */
export type Names = Record<string, Record<string, string>>;

const names = signal<Names>({});
let asked = false;

async function load(): Promise<void> {
  asked = true;
  try {
    const response = await fetch("/app/regions.json");
    if (response.ok) names.value = (await response.json()) as Names;
  } catch {
    // codes can be read too
  }
}

/** knownRegions are the names so far. The first to ask has them fetched. */
export function knownRegions(): Names {
  if (!asked) void load();
  return names.value;
}

/** regionIn names an ISO 3166-2 code; what is none, and what has no name, is shown as it is: databases without codes give names. */
export function regionIn(known: Names, code: string): string {
  return known[code.slice(0, 2)]?.[code.slice(3)] ?? code;
}

/** regionName is regionIn all that is known. */
export const regionName = (code: string): string => (/^[A-Z]{2}-/.test(code) ? regionIn(knownRegions(), code) : code);

/** codesNamed finds the codes of regions whose name contains a text, at most so many. */
export function codesNamed(known: Names, text: string, most: number): string[] {
  const wanted = text.toLowerCase();
  const found: string[] = [];
  for (const [country, regions] of Object.entries(known)) {
    for (const [rest, name] of Object.entries(regions)) {
      if (found.length < most && name.toLowerCase().includes(wanted)) found.push(`${country}-${rest}`);
    }
  }
  return found;
}
