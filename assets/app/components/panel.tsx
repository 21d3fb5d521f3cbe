// A panel: tabs, the first rows of a report, and the way to its Details.

import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { pick, soleValue } from "../filters.ts";
import { showMetric } from "../metrics.ts";
import { domain, follow, openDetails, place, show, view } from "../router.ts";
import { clause, drill, hides, type PanelKey, panels, placed, plural, type Report, reportOf, reports, rowName, tabsOf } from "../reports.ts";
import { panelRows, reload, slots } from "../slots.ts";
import { formatView } from "../view.ts";
import { Flag } from "./flag.tsx";
import { Expand, External } from "./icons.tsx";

/** Panel keeps room for so many rows where two panels stand side by side. */
export function Panel({ panel, room }: { panel: PanelKey; room: number }) {
  const report = reportOf(view.value.tabs[panel]);
  return (
    <section class="panel" style={{ "--room": room }} data-testid={"panel-" + panel} aria-label={panels[panel].title}>
      <div class="panel-bar">
        <h2>{panels[panel].title}</h2>
        <Tabs panel={panel} report={report} />
      </div>
      <div class="panel-body" role={tabsOf(panel).length > 1 ? "tabpanel" : undefined} id={panel + "-body"} aria-labelledby={tabsOf(panel).length > 1 ? `${panel}-tab-${report.tab}` : undefined}>
        {report.tab === "Campaigns" && <Campaigns report={report} />}
        <Body panel={panel} />
      </div>
    </section>
  );
}

function Tabs({ panel, report }: { panel: PanelKey; report: Report }) {
  const list = useRef<HTMLDivElement>(null);
  const tabs = tabsOf(panel);
  if (tabs.length < 2) return null;
  const at = tabs.findIndex((t) => t.tab === report.tab);
  const choose = (t: Report) => show({ tabs: { ...view.value.tabs, [panel]: t.key } }, "replace");
  const walk = (e: KeyboardEvent) => {
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    const next = (to + tabs.length) % tabs.length;
    choose(tabs[next]!);
    list.current?.querySelectorAll<HTMLElement>("[role=tab]")[next]?.focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label={panels[panel].title} ref={list} onKeyDown={walk}>
      {tabs.map((t, i) => (
        <button
          key={t.key}
          type="button"
          role="tab"
          id={`${panel}-tab-${t.tab}`}
          aria-selected={i === at}
          aria-controls={panel + "-body"}
          tabIndex={i === at ? 0 : -1}
          data-testid={`tab-${t.key}`}
          onClick={() => choose(t)}
        >
          {t.tab}
        </button>
      ))}
    </div>
  );
}

function Campaigns({ report }: { report: Report }) {
  const tags = reports.filter((r) => r.tab === "Campaigns");
  return (
    <label class="campaigns">
      <span class="visually-hidden">Campaign tag</span>
      <select value={report.key} data-testid="campaign-tag" onChange={(e) => show({ tabs: { ...view.value.tabs, sources: reportOf(e.currentTarget.value as Report["key"]).key } }, "replace")}>
        {tags.map((t) => <option key={t.key} value={t.key} selected={t.key === report.key}>{t.title}</option>)}
      </select>
    </label>
  );
}

function Body({ panel }: { panel: PanelKey }) {
  const slot = slots[panel].value;
  const wanted = drill(reportOf(view.value.tabs[panel]), view.value.filters);
  const answer = slot.answer?.frame.report?.filter === wanted.filter ? slot.answer : undefined;
  if (slot.error) {
    return (
      <div class="panel-note" role="alert">
        <p>{slot.error}</p>
        <button type="button" class="button" onClick={() => reload("failed")}>Try again</button>
      </div>
    );
  }
  // The rows of the tab before tell best how many will come.
  if (!answer) return <PanelSkeleton rows={Math.min(panelRows, slot.answer?.result.results.length || panelRows)} />;
  const rows = answer.result.results.filter((r) => !hides(wanted, r.dimensions[0] ?? "")).slice(0, panelRows);
  if (rows.length === 0) {
    return <div class="panel-note"><p>{emptyNote(wanted, answer.result.results.length > 0)}</p></div>;
  }
  const most = Math.max(1, ...rows.map((r) => r.metrics[0] ?? 0));
  return (
    <div class={slot.busy ? "stale" : ""} aria-busy={slot.busy}>
      <div class="row-head" aria-hidden="true"><span>{wanted.tab === "Campaigns" ? "" : wanted.title}</span><span>Visitors</span><span class="share">%</span></div>
      <ul class="rows">
        {rows.map((r) => (
          <Row key={r.dimensions.join("|")} report={wanted} value={r.dimensions[0] ?? ""} country={r.dimensions[1]} visitors={r.metrics[0] ?? 0} share={r.metrics[1] ?? null} most={most} />
        ))}
      </ul>
      <div class="panel-foot">
        <button type="button" class="details-button" onClick={() => openDetails(panel)} data-testid={`details-${panel}`}>
          <Expand /> Details
        </button>
      </div>
    </div>
  );
}

/** emptyNote says why a panel has no rows; some are rows that it leaves out. */
function emptyNote(report: Report, some: boolean): ComponentChildren {
  if (some && placed(report)) return <>{plural(report)} are not known here. Put a database of cities, such as <code>dbip-city-lite.mmdb</code>, into the data directory.</>;
  if (some && report.tab === "Campaigns") return "No visits with this tag in this period.";
  return view.value.filters.length > 0 ? "No visits match these filters." : "No visits in this period.";
}

function Row({ report, value, country, visitors, share, most }: { report: Report; value: string; country: string | undefined; visitors: number; share: number | null; most: number }) {
  const name = rowName(report, value, view.value.filters);
  return (
    <li class={`row ${clause(report, value) === undefined ? "still" : ""}`} data-testid="row" data-name={value} data-value={visitors}>
      <span class="track"><span class="bar" style={{ width: `${(100 * visitors) / most}%` }} /></span>
      <RowName report={report} value={value} country={country} name={name} />
      <span class="num" title={`${showMetric("visitors", visitors, true)} visitors`}>{showMetric("visitors", visitors)}</span>
      <span class="share">{showMetric("percentage", share)}</span>
    </li>
  );
}

/** RowName is the link that filters by a row, with what helps to recognise it. */
export function RowName({ report, value, country, name, children }: { report: Report; value: string; country: string | undefined; name: string; children?: ComponentChildren }) {
  const filters = view.value.filters;
  const to = clause(report, value);
  const shown = (
    <>
      {(report.filter === "country" || country !== undefined) && <Flag code={country ?? value} />}
      {name}
    </>
  );
  const picked = to !== undefined && soleValue(filters, report.filter) === to;
  return (
    <span class="row-name">
      {to === undefined ? (
        <span class="clip still" title="What is not known cannot be filtered by">{shown}</span>
      ) : (
        <a
          class="clip"
          href={place.value.path + formatView({ ...view.value, details: undefined, filters: pick(filters, report.filter, to) })}
          onClick={follow}
          title={picked ? `${name}: remove this filter` : name}
          aria-current={picked ? "true" : undefined}
        >
          {shown}
        </a>
      )}
      {report.panel === "pages" && value.startsWith("/") && (
        <a class="visit" href={`https://${domain.value.split("/")[0]}${value}`} target="_blank" rel="noreferrer noopener" aria-label={`Open ${value} in a new tab`} title="Open in a new tab">
          <External />
        </a>
      )}
      {children}
    </span>
  );
}

function PanelSkeleton({ rows }: { rows: number }) {
  return (
    <div class="panel-skeleton" aria-busy="true">
      {Array.from({ length: rows }, (_, i) => (
        <div key={i} class="skeleton" style={{ width: `${92 - i * 8}%` }} />
      ))}
    </div>
  );
}
