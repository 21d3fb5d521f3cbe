// Details: a whole report in a dialog, with more columns, sorting, search and pages.

import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { ask, type Query, type Result } from "../api.ts";
import { type ApiFilter, searchFor, toApi } from "../filters.ts";
import { countryName, fullNumber, rangeName } from "../format.ts";
import { type Column, metricFacts, showMetric } from "../metrics.ts";
import { closeDetails, domain, follow, place, view } from "../router.ts";
import { dimension, dimensions, drill, type PanelKey, placed, plural, type Report, reportOf, rowName, ruleKind } from "../reports.ts";
import { app, range, say } from "../session.ts";
import { countries, slots } from "../slots.ts";
import { formatView } from "../view.ts";
import { ChevronLeft, ChevronRight, Cross, Search, Slash } from "./icons.tsx";
import { RowName } from "./panel.tsx";

const pageRows = 50;
const typingPauseMs = 250;

export function Details({ panel }: { panel: PanelKey }) {
  const report = drill(reportOf(view.value.tabs[panel]), view.value.filters);
  const dialog = useRef<HTMLDialogElement>(null);
  const title = useRef<HTMLHeadingElement>(null);
  const field = useRef<HTMLInputElement>(null);
  const typed = useSignal("");
  const search = useSignal("");
  const sort = useSignal<{ by: Column; order: "asc" | "desc" }>({ by: "visitors", order: "desc" });
  const offset = useSignal(0);
  const state = useSignal<{ result: Result | undefined; busy: boolean; error: string | undefined }>({ result: undefined, busy: true, error: undefined });
  const again = useSignal(0);

  useLayoutEffect(() => {
    dialog.current?.showModal();
    // On a phone the focus of a field calls up the keyboard, over the rows somebody came to see.
    const phone = matchMedia("(max-width: 640px), (pointer: coarse)").matches;
    (phone ? title : field).current?.focus();
  }, []);
  useEffect(() => {
    const timer = setTimeout(() => {
      if (search.value === typed.value.trim()) return;
      search.value = typed.value.trim();
      offset.value = 0;
    }, typingPauseMs);
    return () => clearTimeout(timer);
  }, [typed.value]);
  const query = detailsQuery(report, search.value, sort.value, offset.value);
  useEffect(() => {
    let gone = false;
    state.value = { ...state.value, busy: true, error: undefined };
    ask(domain.value, [query]).then(
      ([result]) => { if (!gone) state.value = { result, busy: false, error: undefined }; },
      (err: unknown) => { if (!gone) state.value = { result: undefined, busy: false, error: say(err) }; },
    );
    return () => { gone = true; };
  }, [JSON.stringify(query), domain.value, again.value]);

  return (
    <dialog
      class="details"
      ref={dialog}
      aria-label={report.title}
      data-testid="details"
      onClose={closeDetails}
      onClick={(e) => { if (e.target === dialog.current) dialog.current?.close(); }}
      onKeyDown={(e) => { if (e.key === "/" && !(e.target instanceof HTMLInputElement)) { e.preventDefault(); field.current?.focus(); } }}
    >
      <div class="details-in">
        <header class="details-bar">
          <div>
            <h2 tabIndex={-1} ref={title}>{plural(report)}</h2>
            <p class="faint">{rangeName(range.value)}</p>
          </div>
          <label class="search">
            <Search />
            <input type="search" ref={field} placeholder="Search" aria-label={`Search ${report.title.toLowerCase()}`} value={typed.value} onInput={(e) => (typed.value = e.currentTarget.value)} data-testid="details-search" />
          </label>
          <button type="button" class="button ghost" aria-label="Close" onClick={() => dialog.current?.close()}><Cross /></button>
        </header>
        <DetailsTable report={report} state={state.value} search={search.value} sort={sort.value} onSort={(by) => {
          sort.value = { by, order: sort.value.by === by && sort.value.order === "desc" ? "asc" : "desc" };
          offset.value = 0;
        }} onRetry={() => again.value++} />
        <Pager result={state.value.result} offset={offset.value} go={(o) => (offset.value = o)} whole={report.filter === "country"} />
      </div>
    </dialog>
  );
}

function detailsQuery(report: Report, search: string, sort: { by: Column; order: "asc" | "desc" }, offset: number): Query {
  const isCountry = report.filter === "country";
  const r = range.value;
  return {
    metrics: [...report.columns],
    date_range: [r.first, r.last],
    dimensions: dimensions(report),
    filters: [...toApi([...view.value.filters, ...(search !== "" && !isCountry ? [searchFor(report.filter, search)] : [])]), ...(placed(report) ? [known(report)] : [])],
    order_by: [[sort.by, sort.order]],
    include: { total_rows: true },
    pagination: { limit: isCountry ? countries : pageRows, offset },
  };
}

/** known leaves out visits whose place is not known, one row for each country. */
const known = (report: Report): ApiFilter => ["is_not", dimension(report), [""]];

interface TableProps {
  report: Report;
  state: { result: Result | undefined; busy: boolean; error: string | undefined };
  search: string;
  sort: { by: Column; order: "asc" | "desc" };
  onSort: (by: Column) => void;
  onRetry: () => void;
}

function DetailsTable({ report, state, search, sort, onSort, onRetry }: TableProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const more = useSignal(false);
  const measure = () => {
    const el = scroller.current;
    more.value = el !== null && el.scrollLeft + el.clientWidth < el.scrollWidth - 1;
  };
  useLayoutEffect(measure);
  useEffect(() => {
    addEventListener("resize", measure);
    return () => removeEventListener("resize", measure);
  }, []);
  if (state.error) {
    return <div class="panel-note details-note" role="alert"><p>{state.error}</p><button type="button" class="button" onClick={onRetry}>Try again</button></div>;
  }
  if (!state.result) return <div class="details-note panel-skeleton" aria-busy="true">{Array.from({ length: 10 }, (_, i) => <div key={i} class="skeleton" />)}</div>;
  const rows = state.result.results.filter((r) => report.filter !== "country" || countryName(r.dimensions[0] ?? "").toLowerCase().includes(search.toLowerCase()));
  if (rows.length === 0) return <div class="panel-note details-note"><p>{search ? `Nothing contains “${search}”.` : "No visits in this period."}</p></div>;
  // A search, and leaving out what is not known, narrow what the server takes a share of; the share shown stays that of all visitors.
  const all = slots.top.value.answer?.result.results[0]?.metrics[0] ?? null;
  const cell = (c: Column, v: number | null, visitors: number | null) =>
    c === "percentage" && (search !== "" || placed(report)) && all && visitors !== null ? showMetric(c, (100 * visitors) / all) : showMetric(c, v, true);
  return (
    <div class={`details-body ${more.value ? "more" : ""}`}>
      <div class={`details-scroll ${state.busy ? "stale" : ""}`} aria-busy={state.busy} ref={scroller} onScroll={measure}>
        <table class="details-table">
          <thead>
            <tr>
              <th scope="col">{report.title}</th>
              {report.columns.map((c) => (
                <th key={c} scope="col" class="num" aria-sort={sort.by === c ? (sort.order === "asc" ? "ascending" : "descending") : undefined}>
                  <button type="button" onClick={() => onSort(c)} title={metricFacts(c).help}>
                    {sort.by === c && <span class="sort" aria-hidden="true">{sort.order === "asc" ? "↑" : "↓"}</span>}
                    {c === "percentage" ? "%" : metricFacts(c).label}
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((r) => {
              const value = r.dimensions[0] ?? "";
              return (
                <tr key={r.dimensions.join("|")} data-testid="details-row">
                  <th scope="row"><RowName report={report} value={value} country={r.dimensions[1]} name={rowName(report, value, view.value.filters)}><RuleOut report={report} value={value} /></RowName></th>
                  {report.columns.map((c, i) => <td key={c} class="num">{cell(c, r.metrics[i] ?? null, r.metrics[0] ?? null)}</td>)}
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </div>
  );
}

/** RuleOut leads to the rules of the site, with one about this row in the form. */
function RuleOut({ report, value }: { report: Report; value: string }) {
  const kind = ruleKind(report, value);
  if (!kind || !app.value?.user) return null;
  const name = rowName(report, value, view.value.filters);
  return (
    <a class="visit" href={place.value.path + formatView({ ...view.value, details: undefined, page: "rules", rule: { kind, value } })} onClick={follow} aria-label={`Do not count ${name}`} title="Do not count this…" data-testid="rule-out">
      <Slash />
    </a>
  );
}

function Pager({ result, offset, go, whole }: { result: Result | undefined; offset: number; go: (offset: number) => void; whole: boolean }) {
  const shown = result?.results.length ?? 0;
  const total = result?.meta?.total_rows ?? offset + shown;
  if (whole || (offset === 0 && total <= shown)) return null;
  return (
    <nav class="pager" aria-label="Pages of this table">
      <button type="button" class="button" disabled={offset === 0} onClick={() => go(Math.max(0, offset - pageRows))}><ChevronLeft /> Previous</button>
      <span>{fullNumber(offset + 1)}–{fullNumber(offset + shown)} of {fullNumber(total)}</span>
      <button type="button" class="button" disabled={offset + shown >= total} onClick={() => go(offset + pageRows)}>Next <ChevronRight /></button>
    </nav>
  );
}
