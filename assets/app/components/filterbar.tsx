// The filters at hand as chips, and the small form that adds one.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ask } from "../api.ts";
import { dimensionOf, type Filter, type FilterKey, filterKeys, filterName, invert, isFilterKey, isOperator, type Operator, operatorName, operatorsFor, searchFor, toApi, valueName } from "../filters.ts";
import { countryName } from "../format.ts";
import { filterOpen } from "../keys.ts";
import { domain, show, view } from "../router.ts";
import { range } from "../session.ts";
import { countries } from "../slots.ts";
import { Cross, Funnel } from "./icons.tsx";
import { Popover } from "./popover.tsx";

const suggestions = 25;
const typingPauseMs = 200;

export function Chips() {
  const filters = view.value.filters;
  if (filters.length === 0) return null;
  return (
    <div class="chips" role="group" aria-label="Filters">
      {filters.map((f, i) => <Chip key={i} filter={f} index={i} />)}
      <button type="button" class="clear" onClick={() => show({ filters: [] })} data-testid="clear-filters">Clear all</button>
    </div>
  );
}

function Chip({ filter, index }: { filter: Filter; index: number }) {
  const filters = view.value.filters;
  const value = filter.values.map((v) => valueName(filter.key, v)).join(" or ");
  const other = invert(filter);
  return (
    <span class={`chip ${filter.op.endsWith("not") ? "negative" : ""}`} data-testid="filter-chip">
      <span class="chip-key">{filterName(filter.key)}</span>
      <button type="button" class="chip-op" title={`Change to “${operatorName(other.op)}”`} onClick={() => show({ filters: filters.map((f, i) => (i === index ? other : f)) })}>
        {operatorName(filter.op)}
      </button>
      <span class="chip-value" title={value}>{value}</span>
      <button type="button" class="chip-x" aria-label={`Remove the filter ${filterName(filter.key)} ${operatorName(filter.op)} ${value}`} onClick={() => show({ filters: filters.filter((_, i) => i !== index) })}>
        <Cross />
      </button>
    </span>
  );
}

export function FilterButton() {
  return (
    <Popover kind="dialog" align="end" open={filterOpen} testid="filter-button" class="filter-add" name="Add a filter" icon button={<><Funnel /><span class="wide-only">Filter</span></>}>
      {(close) => <Editor close={close} />}
    </Popover>
  );
}

function Editor({ close }: { close: () => void }) {
  const key = useSignal<FilterKey>("page");
  const op = useSignal<Operator>("is");
  const text = useSignal("");
  const known = useSignal<string[] | undefined>(undefined);

  useEffect(() => {
    let gone = false;
    const timer = setTimeout(async () => {
      const found = await suggest(key.value, text.value);
      if (!gone) known.value = found;
    }, text.value === "" ? 0 : typingPauseMs);
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [key.value, text.value]);

  const add = (value: string) => {
    if (value === "") return;
    const filters = view.value.filters;
    const same = filters.findIndex((f) => f.key === key.value && f.op === op.value);
    const grown = filters[same] ? { ...filters[same], values: [...new Set([...filters[same].values, value])] } : undefined;
    close();
    show({ filters: grown ? filters.map((f, i) => (i === same ? grown : f)) : [...filters, { key: key.value, op: op.value, values: [value] }] });
  };
  // What Enter adds: the suggestion that was typed out, else, where the value must be whole, the first one that contains what was typed.
  const typed = () => {
    const wanted = text.value.trim();
    const fitting = (known.value ?? []).filter((v) => valueName(key.value, v).toLowerCase().includes(wanted.toLowerCase()));
    const exact = fitting.find((v) => valueName(key.value, v).toLowerCase() === wanted.toLowerCase());
    if (wanted === "" || op.value === "contains" || op.value === "contains_not") return wanted;
    return exact ?? fitting[0] ?? (key.value === "country" || key.value === "region" ? "" : wanted);
  };
  return (
    <form class="filter-form" onSubmit={(e) => { e.preventDefault(); add(typed()); }}>
      <div class="filter-row">
        <select aria-label="What" value={key.value} onChange={(e) => {
          if (!isFilterKey(e.currentTarget.value)) return;
          key.value = e.currentTarget.value;
          known.value = undefined;
          if (!operatorsFor(key.value).includes(op.value)) op.value = "is";
        }}>
          {filterKeys.map((k) => <option key={k} value={k} selected={k === key.value}>{filterName(k)}</option>)}
        </select>
        <select aria-label="How" value={op.value} onChange={(e) => { if (isOperator(e.currentTarget.value)) op.value = e.currentTarget.value; }}>
          {operatorsFor(key.value).map((o) => <option key={o} value={o} selected={o === op.value}>{operatorName(o)}</option>)}
        </select>
      </div>
      <input type="text" data-autofocus aria-label="Value" placeholder="Type or choose below" value={text.value} spellcheck={false} autocapitalize="none" onInput={(e) => (text.value = e.currentTarget.value)} />
      <ul class="suggestions">
        {known.value?.map((v) => (
          <li key={v}><button type="button" onClick={() => add(v)}>{valueName(key.value, v)}</button></li>
        ))}
        {known.value?.length === 0 && <li class="hint">Nothing of the kind in this period.</li>}
      </ul>
      <button type="submit" class="button primary">Add the filter</button>
    </form>
  );
}

/** suggest finds the most visited values of a dimension that contain a text, in the period and under the filters at hand. */
async function suggest(key: FilterKey, text: string): Promise<string[]> {
  const dim = dimensionOf(key);
  const isCountry = key === "country";
  const search: Filter[] = text.trim() !== "" && !isCountry ? [searchFor(key, text.trim())] : [];
  try {
    const [found] = await ask(domain.peek(), [
      {
        metrics: ["visitors"],
        date_range: [range.peek().first, range.peek().last],
        dimensions: [dim],
        filters: toApi([...view.peek().filters, ...search]),
        pagination: { limit: isCountry ? countries : suggestions, offset: 0 },
      },
    ]);
    const values = (found?.results ?? []).map((r) => r.dimensions[0] ?? "").filter((v) => v !== "");
    return values.filter((v) => !isCountry || countryName(v).toLowerCase().includes(text.trim().toLowerCase())).slice(0, suggestions);
  } catch {
    return []; // the value can still be typed
  }
}
