// The bar on top: the logo, the site switcher, current visitors, the theme and the menu.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { getCurrent, logout } from "../api.ts";
import { fullNumber } from "../format.ts";
import { helpOpen } from "../keys.ts";
import { useRefresh } from "../refresh.ts";
import { follow, go, show, sitePath } from "../router.ts";
import { app, loadApp, say, site, status } from "../session.ts";
import { chooseTheme, dark, type Theme, theme } from "../theme.ts";
import { checkupOpen, PlacesLines } from "./checkup.tsx";
import { ChevronDown, Logo, Mark, Moon, Person, Plus, Sun } from "./icons.tsx";
import { MenuItem, Popover } from "./popover.tsx";
import { SnapshotLine } from "./system.tsx";

const currentEveryMs = 30_000;

export function Header() {
  const at = site.value;
  return (
    <header class="header">
      <div class="header-in">
        <a href="/" class="home" onClick={follow} aria-label="Footfall, all sites">
          {at ? <Mark size={26} /> : <Logo />}
        </a>
        {at && <Switcher />}
        {at && <Current key={at.domain} domain={at.domain} />}
        <span class="spring" />
        <button type="button" class="button ghost" onClick={() => chooseTheme(dark.value ? "light" : "dark")} aria-label={dark.value ? "Light colours" : "Dark colours"} title={dark.value ? "Light colours" : "Dark colours"} data-testid="theme-toggle">
          {dark.value ? <Sun /> : <Moon />}
        </button>
        <Menu />
      </div>
    </header>
  );
}

function Switcher() {
  const sites = app.value?.sites ?? [];
  const at = site.value;
  return (
    <Popover kind="menu" class="switcher" name="Sites" testid="site-switcher" button={<><span class="switcher-name">{at?.domain}</span><ChevronDown /></>}>
      {(close) => (
        <>
          {sites.map((s, i) => (
            <MenuItem key={s.domain} checked={s.domain === at?.domain} hint={i < 9 ? String(i + 1) : undefined} onSelect={() => { close(); go(sitePath(s.domain)); }}>
              {s.domain}
            </MenuItem>
          ))}
          <hr />
          {sites.length > 1 && <MenuItem hint="0" onSelect={() => { close(); go("/"); }}>All sites</MenuItem>}
          <MenuItem onSelect={() => { close(); show({ page: "install", rule: undefined, details: undefined }); }}>Tracking snippet</MenuItem>
          {app.value?.user && <MenuItem onSelect={() => { close(); show({ page: "rules", rule: undefined, details: undefined }); }}>What is counted</MenuItem>}
          <MenuItem onSelect={() => { close(); go("/", "?new=1"); }}><Plus /> Add a site</MenuItem>
        </>
      )}
    </Popover>
  );
}

function Current({ domain }: { domain: string }) {
  const visitors = useSignal<number | undefined>(undefined);
  const counted = (status.value?.events ?? 0) > 0; // the first visit of all is shown at once
  const gone = useRef(false);
  const load = async () => {
    try {
      const n = await getCurrent(domain);
      if (!gone.current) visitors.value = n;
    } catch (err) {
      say(err);
      if (!gone.current) visitors.value = undefined;
    }
  };
  useEffect(() => {
    gone.current = false;
    void load();
    return () => { gone.current = true; };
  }, [domain, counted]);
  useRefresh(() => void load(), currentEveryMs);
  const n = visitors.value;
  return (
    <span class={`current ${n ? "live" : ""}`} data-testid="current-visitors" data-value={n ?? ""} title="Visitors of the last 5 minutes" role="status">
      <span class="dot" aria-hidden="true" />
      {n === undefined ? <span class="visually-hidden">Current visitors unknown</span> : <>{fullNumber(n)}<span class="current-words">current {n === 1 ? "visitor" : "visitors"}</span></>}
    </span>
  );
}

const themes: readonly [Theme, string][] = [["system", "Like the system"], ["light", "Light"], ["dark", "Dark"]];

function Menu() {
  const a = app.value;
  const leave = async () => {
    try {
      await logout();
    } finally {
      await loadApp();
      go("/login");
    }
  };
  return (
    <Popover kind="menu" name="Menu" icon class="ghosted" align="end" testid="menu" button={<Person />}>
      {(close) => (
        <>
          {a?.user && <p class="menu-head">{a.user.email}</p>}
          <p class="menu-head faint">Colours</p>
          {themes.map(([t, label]) => (
            <MenuItem key={t} checked={theme.value === t} onSelect={() => { close(); chooseTheme(t); }}>{label}</MenuItem>
          ))}
          <hr />
          <MenuItem hint="?" onSelect={() => { close(); helpOpen.value = true; }}>Keyboard shortcuts</MenuItem>
          {a?.user && <MenuItem onSelect={() => { close(); checkupOpen.value = true; }}>Check-up</MenuItem>}
          {a?.user && <MenuItem onSelect={() => { close(); void leave(); }}>Log out</MenuItem>}
          <p class="menu-head faint">Footfall {a?.version}</p>
          <SnapshotLine />
          <PlacesLines />
        </>
      )}
    </Popover>
  );
}

export function DemoBanner() {
  if (!app.value?.demo) return null;
  return (
    <aside class="demo" aria-label="Demo" data-testid="demo-banner">
      <strong>Demo</strong> Made-up traffic. {app.value.add && <a href="/?new=1" onClick={follow}>Add your site</a>}
    </aside>
  );
}
