// The period picker with its arrows.

import { useSignal } from "@preact/signals";
import { dayName, monthName, rangeName, yearName, zoneName } from "../format.ts";
import { customOpen, periodOpen } from "../keys.ts";
import { type Choice, periods, shift } from "../periods.ts";
import { go, place, view } from "../router.ts";
import { choice, range, site, timezone, today } from "../session.ts";
import { formatView, withChoice } from "../view.ts";
import { Calendar, ChevronDown, ChevronLeft, ChevronRight } from "./icons.tsx";
import { MenuItem, Popover } from "./popover.tsx";

export function choosePeriod(c: Choice): void {
  go(place.value.path, formatView(withChoice(view.value, c)));
}

/** periodLabel names the choice: what it is called while it is current, what it covers once it was moved. */
export function periodLabel(c: Choice): string {
  if (c.period === "custom") return rangeName(range.value);
  if (c.date === undefined) return periods.find((p) => p.key === c.period)?.label ?? "";
  if (c.period === "month") return monthName(c.date);
  if (c.period === "year") return yearName(c.date);
  return rangeName(range.value);
}

export function PeriodPicker() {
  const c = choice.value;
  const label = periodLabel(c);
  const days = rangeName(range.value);
  const step = (direction: -1 | 1) => shift(c, direction, today.value);
  return (
    <div class="period">
      <Arrow to={step(-1)} name="Previous period"><ChevronLeft /></Arrow>
      <Popover
        kind={customOpen.value ? "dialog" : "menu"}
        align="end"
        name="Period"
        testid="period-picker"
        open={periodOpen}
        button={<><Calendar /><span class="period-name">{label}</span>{label !== days && <span class="period-days">{days}</span>}<ChevronDown /></>}
      >
        {(close) => (customOpen.value ? <Custom close={close} /> : <Choices close={close} />)}
      </Popover>
      <Arrow to={step(1)} name="Next period"><ChevronRight /></Arrow>
    </div>
  );
}

function Arrow({ to, name, children }: { to: Choice | null; name: string; children: preact.ComponentChildren }) {
  return (
    <button type="button" class="button arrow" aria-label={name} title={name} aria-disabled={to === null} onClick={() => to && choosePeriod(to)}>
      {children}
    </button>
  );
}

function Choices({ close }: { close: () => void }) {
  const c = choice.value;
  return (
    <div class="period-choices">
      {periods.map((p, i) => (
        <>
          {i > 0 && periods[i - 1]!.group !== p.group && <hr />}
          <MenuItem
            key={p.key}
            checked={c.period === p.key && c.date === undefined}
            hint={p.shortcut}
            onSelect={() => {
              if (p.key === "custom") {
                customOpen.value = true;
                return;
              }
              close();
              choosePeriod({ period: p.key });
            }}
          >
            {p.label}
          </MenuItem>
        </>
      ))}
    </div>
  );
}

function Custom({ close }: { close: () => void }) {
  const r = range.value;
  const from = useSignal(r.first);
  const to = useSignal(r.last < today.value ? r.last : today.value);
  const error = useSignal("");
  const apply = (e: Event) => {
    e.preventDefault();
    if (!from.value || !to.value) {
      error.value = "Please choose both days.";
      return;
    }
    close();
    customOpen.value = false;
    choosePeriod({ period: "custom", from: from.value < to.value ? from.value : to.value, to: from.value < to.value ? to.value : from.value });
  };
  const day = (name: string, value: typeof from, first: boolean) => (
    <label class="field">
      {name}
      <input type="date" value={value.value} max={today.value} required onInput={(e) => (value.value = e.currentTarget.value)} data-autofocus={first || undefined} />
    </label>
  );
  return (
    <form class="custom" onSubmit={apply}>
      {day("From", from, true)}
      {day("To, included", to, false)}
      {error.value && <p class="form-error" role="alert">{error.value}</p>}
      <div class="custom-row">
        <button type="button" class="button" onClick={() => (customOpen.value = false)}>Back</button>
        <button type="submit" class="button primary">Show</button>
      </div>
      <p class="hint">
        Days of {zoneName(timezone.value)}, where today is {dayName(today.value)}.
        {site.value?.timezone_changes?.filter((c) => c.first_day > today.value).map((c) => ` From ${dayName(c.first_day)} on, days of ${zoneName(c.timezone)}.`)}
      </p>
    </form>
  );
}
