// The six numbers on top. A click on one draws it in the chart.

import { changeOf, type Metric, metricFacts, metrics, sayChange, showMetric } from "../metrics.ts";
import { show, view } from "../router.ts";
import { chartMetric, slots } from "../slots.ts";
import { Info } from "./tip.tsx";

export function Cards() {
  const slot = slots.top.value;
  const chosen = chartMetric(view.value);
  return (
    <div class={`cards ${slot.busy && slot.answer ? "stale" : ""}`} role="group" aria-label="Key numbers; choose one for the chart" aria-busy={slot.busy}>
      {metrics.map((m) => <Card key={m} metric={m} chosen={m === chosen} />)}
    </div>
  );
}

function Card({ metric, chosen }: { metric: Metric; chosen: boolean }) {
  const { answer, busy } = slots.top.value;
  const facts = metricFacts(metric);
  const at = answer?.frame.metrics.indexOf(metric) ?? -1;
  const value = at < 0 ? null : (answer?.result.results[0]?.metrics[at] ?? null);
  const before = at < 0 ? null : (answer?.result.comparison?.results[0]?.metrics[at] ?? null);
  const change = changeOf(metric, value, before);
  const manyDays = answer !== undefined && answer.frame.range.first !== answer.frame.range.last;
  const available = !answer || at >= 0;
  const pickIt = () => available && show({ metric });
  return (
    <div class={`card ${chosen ? "chosen" : ""} ${available ? "" : "off"}`} data-testid={"card-" + metric} data-value={value ?? ""} onClick={pickIt}>
      <div class="card-label">
        <button type="button" class="card-pick" aria-pressed={chosen} disabled={!available}>
          {facts.label}
        </button>
        <Info about={facts.label} text={available ? facts.help + (manyDays && facts.manyDays ? " " + facts.manyDays : "") : "Views per visit is a number of whole visits. It has no value while a filter looks at single pages."} />
      </div>
      {!answer && busy ? (
        <div class="skeleton card-skeleton" />
      ) : (
        <>
          <div class="card-value" title={value === null ? undefined : showMetric(metric, value, true)}>{showMetric(metric, value)}</div>
          <div class="card-change">
            {change && (
              <span class={change.mood} title={`The period before: ${showMetric(metric, before, true)}`}>
                {sayChange(change)}
                <span class="visually-hidden"> against {showMetric(metric, before, true)} in the period before</span>
              </span>
            )}
          </div>
        </>
      )}
    </div>
  );
}
