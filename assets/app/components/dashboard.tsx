// The dashboard of one site.

import { useRef } from "preact/hooks";
import type { Site } from "../api.ts";
import { view } from "../router.ts";
import { useRefresh } from "../refresh.ts";
import { loadStatus, status, today } from "../session.ts";
import { includesToday, panelRows, reload, slots } from "../slots.ts";
import { type PanelKey, panelKeys } from "../reports.ts";
import { Cards } from "./cards.tsx";
import { Chart } from "./chart.tsx";
import { Details } from "./details.tsx";
import { Filtered } from "./filtered.tsx";
import { Chips, FilterButton } from "./filterbar.tsx";
import { Panel } from "./panel.tsx";
import { PeriodPicker } from "./period.tsx";

// Whoever has just put the script into a page watches every visit; later a glance now and then will do.
const refreshMs = 30_000;
const refreshYoungMs = 10_000;
const fewEvents = 100;

export function Dashboard({ site }: { site: Site }) {
  const s = status.value;
  const young = s !== undefined && (s.events < fewEvents || (s.first ?? today.value) >= today.value);
  useRefresh(() => {
    void loadStatus(site.domain);
    if (includesToday()) reload("all", true);
  }, young ? refreshYoungMs : refreshMs);
  const room = useRoom();
  const details = view.value.details;
  const busy = Object.values(slots).some((s) => s.value.busy);
  return (
    <main class="dashboard" data-testid="dashboard" data-busy={busy}>
      <h1 class="visually-hidden">{site.domain}</h1>
      <div class="toolbar">
        <Chips />
        <span class="spring" />
        <FilterButton />
        <PeriodPicker />
      </div>
      <Top />
      <div class="panels">
        {panelKeys.map((p, i) => <Panel key={p} panel={p} room={room[i >> 1]!} />)}
      </div>
      <Filtered site={site} />
      {details && <Details key={details + view.value.tabs[details]} panel={details} />}
    </main>
  );
}

/** useRoom is how many rows each two neighbours keep room for: the most either has had, so that tabs and filters move nothing. */
function useRoom(): number[] {
  const room = useRef([0, 0]);
  const rowsOf = (p: PanelKey) => Math.min(panelRows, slots[p].value.answer?.result.results.length ?? 0);
  panelKeys.forEach((p, i) => (room.current[i >> 1] = Math.max(room.current[i >> 1]!, rowsOf(p))));
  return room.current;
}

function Top() {
  const error = slots.top.value.error ?? slots.series.value.error;
  if (error) {
    return (
      <section class="top failed" role="alert">
        <p>{error}</p>
        <button type="button" class="button primary" onClick={() => reload("failed")}>Try again</button>
      </section>
    );
  }
  return (
    <section class="top" aria-label="Overview">
      <Cards />
      <Chart />
    </section>
  );
}
