// The line that a page carries, and what the script counts by itself beside pageviews.

import { useSignal } from "@preact/signals";
import { changeScript, type ScriptSettings, type Site } from "../api.ts";
import { app, loadApp, say } from "../session.ts";
import { CopyBox } from "./copy.tsx";

type Setting = keyof ScriptSettings;

/** What may be ticked: the name of the setting, what it is in a script's name, and what it is to people. */
const settings: { key: Setting; extension: string; name: string; hint: string }[] = [
  { key: "outbound_links", extension: "outbound-links", name: "Outbound links", hint: "clicks on links to other sites" },
  { key: "file_downloads", extension: "file-downloads", name: "File downloads", hint: "clicks on links to PDF, ZIP, MP3 and the like" },
  { key: "form_submissions", extension: "form-submissions", name: "Form submissions", hint: "forms that are sent; never what is in them" },
  { key: "hash", extension: "hash", name: "Pages behind #", hint: "for apps with addresses such as /#/settings" },
];

const none: ScriptSettings = { outbound_links: false, file_downloads: false, form_submissions: false, hash: false };

export function Script({ site }: { site: Site }) {
  const own = useSignal(false);
  const inLine = useSignal(none);
  const error = useSignal<string | undefined>(undefined);
  const on = own.value ? site.script : inLine.value;
  const tick = async (key: Setting, value: boolean) => {
    error.value = undefined;
    if (!own.value) {
      inLine.value = { ...inLine.value, [key]: value };
      return;
    }
    try {
      await changeScript(site.domain, { [key]: value });
    } catch (err) {
      error.value = say(err);
    }
    await loadApp();
  };
  return (
    <>
      <div class="segments" role="group" aria-label="Kind of script">
        <button type="button" aria-pressed={!own.value} onClick={() => { own.value = false; }}>Shared script</button>
        <button type="button" aria-pressed={own.value} onClick={() => { own.value = true; }} data-testid="own-script">This site's own</button>
      </div>
      <CopyBox text={own.value ? ownLine(site) : sharedLine(site.domain, on)} testid="snippet" />
      <fieldset class="ticks" data-testid="script-settings">
        <legend>Count beside pageviews</legend>
        {settings.map((s) => (
          <label key={s.key}>
            <input type="checkbox" checked={on[s.key]} disabled={own.value && !app.value?.add} onChange={(e) => void tick(s.key, e.currentTarget.checked)} />
            <span>{s.name} <span class="hint">{s.hint}</span></span>
          </label>
        ))}
      </fieldset>
      {error.value && <p class="form-error" role="alert">{error.value}</p>}
      <p class="hint">
        {own.value
          ? <>What is ticked is in force within a minute, and the line stays as it is. A page may say more with <code>footfall.init()</code>.</>
          : "What is ticked becomes part of the line. Without ticks the script has 1 kB."}
        {" "}No cookies, nothing kept on the visitor's device. The official Plausible npm package works too: point it at <code>{location.origin}/api/event</code>.
      </p>
    </>
  );
}

/** base is the script's address without ".js": the operator may have given it another path. */
const base = (): string => location.origin + (app.value?.script_path ?? "/js/script.js").replace(/\.js$/, "");

function sharedLine(domain: string, on: ScriptSettings): string {
  const extensions = settings.filter((s) => on[s.key]).map((s) => "." + s.extension);
  return `<script defer data-domain="${domain}" src="${base()}${extensions.join("")}.js"></script>`;
}

function ownLine(site: Site): string {
  const path = app.value?.script_path ? base() + site.script.id.slice(2) : `${location.origin}/js/${site.script.id}`;
  return `<script defer src="${path}.js"></script>`;
}
