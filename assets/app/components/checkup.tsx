// What `footfall doctor` finds: a dialog with a line for everything that was looked at, and the banner of what must not wait.

import { signal, useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { type Finding, getCheckup } from "../api.ts";
import { capital, sentence } from "../format.ts";
import { Cross } from "./icons.tsx";
import { system } from "./system.tsx";

export const checkupOpen = signal(false);

const marks: Record<Finding["level"], [string, string]> = { ok: ["✓", "All is well"], unknown: ["?", "Cannot be told"], warning: ["!", "Warning"], problem: ["✗", "Problem"] };

/** What must be mended stands first. */
const order: Finding["level"][] = ["problem", "warning", "unknown", "ok"];
const worstFirst = (findings: readonly Finding[]): Finding[] => [...findings].sort((a, b) => order.indexOf(a.level) - order.indexOf(b.level));

/** AddressBanner says that visits are counted for the address of a proxy, with the setting that mends it. */
export function AddressBanner() {
  const f = system.value?.findings.find((f) => f.about === "addresses" && (f.level === "problem" || f.level === "warning"));
  if (!f) return null;
  return (
    <div class="alarm" role="alert" data-testid="address-banner">
      <strong>Look at your proxy.</strong> {sentence(f.text)} {f.mend && <Mend text={capital(f.mend)} />}
    </div>
  );
}

/** PlacesLines says what tells where visitors are, and as of when. */
export function PlacesLines() {
  return system.value?.findings.filter((f) => f.about === "places").map((f) => <p key={f.text} class="menu-head faint" data-testid="places-line">{capital(f.text)}</p>);
}

/** Checkup shows what was found. */
export function Checkup() {
  const dialog = useRef<HTMLDialogElement>(null);
  const findings = useSignal<Finding[] | undefined>(undefined);
  const trouble = useSignal("");
  useLayoutEffect(() => {
    dialog.current?.showModal();
  }, []);
  useEffect(() => {
    getCheckup().then((answer) => (findings.value = worstFirst(answer.findings)), (err: Error) => (trouble.value = err.message));
  }, []);
  return (
    <dialog class="help-dialog" ref={dialog} aria-label="Check-up" onClose={() => (checkupOpen.value = false)} onClick={(e) => { if (e.target === dialog.current) dialog.current?.close(); }}>
      <div class="details-in">
        <header class="details-bar">
          <h2>Check-up</h2>
          <button type="button" class="button ghost" aria-label="Close" onClick={() => dialog.current?.close()}><Cross /></button>
        </header>
        {trouble.value && <p class="checkup" role="alert">{trouble.value}</p>}
        <ul class="checkup" data-testid="checkup" aria-busy={!findings.value && !trouble.value}>
          {findings.value?.map((f) => (
            <li key={f.about + f.text} class={f.level}>
              <span class="mark" role="img" aria-label={marks[f.level][1]}>{marks[f.level][0]}</span>
              <span><Mend text={capital(f.text)} />{f.mend && <span class="mend"><Mend text={capital(f.mend)} /></span>}</span>
            </li>
          ))}
        </ul>
      </div>
    </dialog>
  );
}

/** Mend sets apart what is to be copied: flags with their values, and what stands between backquotes. */
function Mend({ text }: { text: string }) {
  return <>{text.split(/(--[a-z-]+(?: [^\s(]+)?(?=$|[\s,])|`[^`]+`)/).map((part, i) => (i % 2 ? <code key={i}>{part.replaceAll("`", "")}</code> : part))}</>;
}
