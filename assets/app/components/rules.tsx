// The rules of what is counted at a site: read, tried, added, changed.

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { addRule, changeRule, getRules, removeRule, type Rule, type RuleMode, type Rules as AllRules, type Site, tryRule, type Tried } from "../api.ts";
import { capital, countryName, fullNumber, sentence } from "../format.ts";
import { follow, place, view } from "../router.ts";
import { countries, countryCode, hasRate, kindName, modes, placeholderOf, sayAge, sayCount, sayRule, sayTried } from "../rules.ts";
import { say } from "../session.ts";
import { formatView } from "../view.ts";
import { ChevronLeft } from "./icons.tsx";
import { IgnoreLink } from "./ignorelink.tsx";
import { ModePicker } from "./modes.tsx";

const typingPauseMs = 300;
const triedDays = 7;

/** Said is what the page tells about the last change; undo takes it back. */
interface Said {
  text: string;
  bad?: boolean;
  undo?: () => Promise<unknown>;
}

export function Rules({ site }: { site: Site }) {
  const all = useSignal<AllRules | undefined>(undefined);
  const said = useSignal<Said | undefined>(undefined);
  const load = async () => { all.value = await getRules(site.domain); };
  /** change does something, and shows the rules as they are then. */
  const change = async (what: () => Promise<Said>) => {
    try {
      const done = await what();
      await load();
      said.value = done;
    } catch (err) {
      said.value = { text: capital(say(err)), bad: true };
    }
  };
  useEffect(() => void change(async () => ({ text: "" })), [site.domain]);
  const a = all.value;
  const ones = a?.rules.filter((r) => r.kind !== "device" && isOne(a, r)) ?? [];
  const own = a?.rules.filter((r) => !isOne(a, r)) ?? [];
  const device = a?.rules.find((r) => r.kind === "device");
  const setMode = (r: Rule, mode: RuleMode) => change(async () => {
    if (hasRate(r.kind) && isUnset(r)) return { text: "Write first how many events a minute are too many, and save.", bad: true };
    await (r.id === 0 ? addRule(site.domain, { kind: r.kind, mode }) : changeRule(site.domain, r.id, { mode }));
    return { text: `${sayRule(r)}: ${modes.find((m) => m.mode === mode)?.help.toLowerCase()}.` };
  });
  return (
    <main class="install rules" data-testid="rules" aria-busy={!a}>
      <p><a class="back" href={place.value.path + formatView({ ...view.value, page: undefined, rule: undefined })} onClick={follow}><ChevronLeft /> Dashboard</a></p>
      <h1>What is counted at {site.domain}</h1>
      <p class="lead">A rule drops what it is about, or only watches: then it is counted, and so is how much would have been dropped. It holds from the moment you set it; what was counted before stays.</p>
      <p class={`said ${said.value?.bad ? "form-error" : ""}`} role={said.value?.bad ? "alert" : "status"} data-testid="said">
        {said.value?.text}
        {said.value?.undo && <button type="button" class="clear" onClick={() => { const undo = said.value!.undo!; void change(async () => { await undo(); return { text: "It is back." }; }); }}>Undo</button>}
      </p>
      {a && (
        <>
          <section class="rule-part" aria-labelledby="own-rules">
            <h2 id="own-rules">Your rules</h2>
            <RuleForm site={site} all={a} added={(r) => change(async () => ({ text: `Added: ${kindName(r.kind).toLowerCase()} ${sayRule(r)}.` }))} />
            {own.length === 0 ? <p class="hint">No rules yet.</p> : (
              <ul class="rule-list">
                {own.map((r) => (
                  <RuleRow key={r.id} rule={r} days={a.days} onMode={(m) => setMode(r, m)} onRemove={() => change(async () => {
                    await removeRule(site.domain, r.id);
                    return { text: `Removed: ${kindName(r.kind).toLowerCase()} ${sayRule(r)}.`, undo: () => addRule(site.domain, { kind: r.kind, value: r.value, mode: r.mode, note: r.note }) };
                  })} />
                ))}
              </ul>
            )}
          </section>
          <section class="rule-part" aria-labelledby="all-rules">
            <h2 id="all-rules">Filters that every site has</h2>
            <p class="hint">Beside these, robots that say what they are are never counted.</p>
            <ul class="rule-list">
              {ones.map((r) => (
                <RuleRow key={r.kind} rule={r} days={a.days} help={hasRate(r.kind) ? undefined : capital(kindOf(a, r)?.help ?? "") + (r.kind === "datacentre" ? ", as far as a database of networks or a list knows them" : "")} onMode={(m) => setMode(r, m)}>
                  {hasRate(r.kind) && <Rate key={`${r.id} ${r.value}`} rule={r} save={(value) => change(async () => {
                    const now = await addRule(site.domain, { kind: r.kind, value });
                    return { text: `${sayRule(now)}: ${modes.find((m) => m.mode === now.mode)?.help.toLowerCase()}.` };
                  })} />}
                </RuleRow>
              ))}
            </ul>
          </section>
          {device && <IgnoreLink key={device.value} site={site} rule={device} days={a.days} setMode={(m) => setMode(device, m)} changed={(text) => change(async () => ({ text }))} />}
        </>
      )}
    </main>
  );
}

const kindOf = (all: AllRules, r: Rule) => all.kinds.find((k) => k.kind === r.kind);
const isOne = (all: AllRules, r: Rule): boolean => kindOf(all, r)?.one ?? false;

interface RowProps {
  rule: Rule;
  days: number;
  onMode: (mode: RuleMode) => void;
  onRemove?: () => void;
  help?: string | undefined;
  children?: ComponentChildren;
}

function RuleRow({ rule, days, onMode, onRemove, help, children }: RowProps) {
  const facts = [help, sayCount(rule, days), sayAge(rule), rule.note && `“${rule.note}”`].filter(Boolean);
  return (
    <li class={`rule ${rule.mode}`} data-testid="rule" data-kind={rule.kind} data-value={rule.value} data-mode={rule.mode} data-count={rule.count}>
      <div class="rule-what">
        {onRemove && <span class="rule-kind">{kindName(rule.kind)}</span>}
        {children || (onRemove && rule.kind !== "country" ? <code>{sayRule(rule)}</code> : <span>{sayRule(rule)}</span>)}
        {facts.length > 0 && <p class="hint">{facts.join(" · ")}</p>}
      </div>
      <ModePicker of={sayRule(rule)} mode={rule.mode} onMode={onMode} />
      {onRemove && <button type="button" class="button ghost" aria-label={`Remove ${kindName(rule.kind)} ${sayRule(rule)}`} onClick={onRemove}>Remove</button>}
    </li>
  );
}

/** isUnset reports whether nobody has set a limit: then there is none to show, and none to put in force. */
const isUnset = (r: Rule): boolean => r.id === 0 && r.mode === "off";

function Rate({ rule, save }: { rule: Rule; save: (value: string) => void }) {
  const set = isUnset(rule) ? "" : rule.value;
  const typed = useSignal(set);
  const other = typed.value.trim() !== set;
  return (
    <form class="rate" onSubmit={(e) => { e.preventDefault(); if (other) save(typed.value); }}>
      More than <input type="text" inputMode="numeric" placeholder="no limit" aria-label={sayRule(rule)} value={typed.value} onInput={(e) => (typed.value = e.currentTarget.value)} /> events a minute of {rule.kind === "site_rate" ? "the whole site" : "one address"}
      {other && <button type="submit" class="button">Save</button>}
    </form>
  );
}

/** RuleForm adds a rule. While somebody types it asks the server whether the rule is sound, and what it would have dropped. */
function RuleForm({ site, all, added }: { site: Site; all: AllRules; added: (rule: Rule) => Promise<void> }) {
  const start = view.value.rule;
  const kinds = all.kinds.filter((k) => !k.one);
  const kind = useSignal(kinds.find((k) => k.kind === start?.kind)?.kind ?? "page");
  const typed = useSignal(start ? (start.kind === "country" ? countryName(start.value) : start.value) : "");
  const note = useSignal("");
  const mode = useSignal<RuleMode>("drop");
  const error = useSignal<string | undefined>(undefined);
  const tried = useSignal<Tried | undefined>(undefined);
  const busy = useSignal(false);
  const field = useRef<HTMLInputElement>(null);
  const value = kind.value === "country" ? countryCode(typed.value) : typed.value.trim();

  useEffect(() => {
    let gone = false;
    error.value = tried.value = undefined;
    if (value === "") return;
    const timer = setTimeout(() => {
      tryRule(site.domain, kind.value, value, triedDays * 24).then(
        (t) => { if (!gone) tried.value = t; },
        (err: unknown) => { if (!gone) error.value = capital(say(err)); },
      );
    }, typingPauseMs);
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [kind.value, value, all]);

  const add = async () => {
    if (busy.value) return;
    busy.value = true;
    try {
      const rule = await addRule(site.domain, { kind: kind.value, value, mode: mode.value, note: note.value });
      typed.value = note.value = "";
      await added(rule);
    } catch (err) {
      error.value = capital(say(err));
    }
    busy.value = false;
    field.current?.focus();
  };
  return (
    <form class="rule-form" data-testid="rule-form" onSubmit={(e) => { e.preventDefault(); void add(); }} noValidate>
      <div class="rule-fields">
        <label class="rule-kinds">About
          <select value={kind.value} data-testid="rule-kind" onChange={(e) => { kind.value = e.currentTarget.value; typed.value = ""; }}>
            {kinds.map((k) => <option key={k.kind} value={k.kind} selected={k.kind === kind.value}>{kindName(k.kind)}</option>)}
          </select>
        </label>
        <label class="rule-value">Which
          <input id="rule-value" ref={field} type="text" value={typed.value} placeholder={placeholderOf(kind.value)} list={kind.value === "country" ? "countries" : undefined} autocomplete="off" autocapitalize="none" spellcheck={false} aria-describedby="rule-told" aria-invalid={error.value !== undefined} onInput={(e) => (typed.value = e.currentTarget.value)} />
        </label>
        <label class="rule-note">Note
          <input type="text" value={note.value} placeholder="Why, for later" autocomplete="off" onInput={(e) => (note.value = e.currentTarget.value)} />
        </label>
      </div>
      {kind.value === "country" && <datalist id="countries">{countries().map((c) => <option key={c.code} value={c.name} />)}</datalist>}
      <div id="rule-told" class="rule-told" aria-live="polite" data-testid="rule-told">
        {error.value ? <p class="bad">{error.value}</p>
          : tried.value ? <TriedWords kind={kind.value} tried={tried.value} />
          : <p class="hint">{sentence(kinds.find((k) => k.kind === kind.value)?.help ?? "")}</p>}
      </div>
      <div class="rule-send">
        <ModePicker of="the new rule" mode={mode.value} among={["drop", "watch"]} onMode={(m) => (mode.value = m)} />
        <button type="submit" class="button primary" disabled={busy.value || value === "" || error.value !== undefined}>Add the rule</button>
      </div>
    </form>
  );
}

function TriedWords({ kind, tried }: { kind: string; tried: Tried }) {
  const named = (v: string) => (kind === "country" ? countryName(v) : v);
  return (
    <>
      <p>{sayTried(tried, triedDays)}</p>
      {tried.top.length > 0 && <p class="hint">{tried.top.map((t) => `${named(t.value)} ${fullNumber(t.events)}`).join(" · ")}</p>}
    </>
  );
}
