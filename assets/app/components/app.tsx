// Which page is shown: by the address, and by who is looking.

import { useEffect } from "preact/hooks";
import { helpOpen } from "../keys.ts";
import { domain, follow, go, place, sitePath, view } from "../router.ts";
import { formatView } from "../view.ts";
import { app, loadApp, loadStatus, site, status, statusTrouble, trouble } from "../session.ts";
import { AddressBanner, Checkup, checkupOpen } from "./checkup.tsx";
import { Dashboard } from "./dashboard.tsx";
import { AddSite, Alone, Login, Setup } from "./forms.tsx";
import { DemoBanner, Header } from "./header.tsx";
import { Help } from "./help.tsx";
import { Install } from "./install.tsx";
import { Rules } from "./rules.tsx";
import { Sites } from "./sites.tsx";
import { SnapshotBanner } from "./system.tsx";
import { Bubble } from "./tip.tsx";

export function App() {
  const a = app.value;
  useEffect(() => {
    document.title = domain.value ? `${domain.value} · Footfall` : "Footfall";
  }, [domain.value]);
  if (trouble.value && !a) {
    return (
      <Alone>
        <div class="card-form" role="alert">
          <h1>No answer</h1>
          <p class="lead">{trouble.value}</p>
          <button type="button" class="button primary" onClick={() => void loadApp()}>Try again</button>
        </div>
      </Alone>
    );
  }
  if (!a) return <p class="loading" role="status"><span class="visually-hidden">Loading</span></p>;
  if (a.setup && !a.demo) return <Setup />;
  if (!a.user && !a.demo) return <Login />;
  return (
    <>
      <DemoBanner />
      <SnapshotBanner />
      <AddressBanner />
      <Header />
      <Page />
      <Bubble />
      {helpOpen.value && <Help />}
      {checkupOpen.value && <Checkup />}
    </>
  );
}

function Page() {
  const sites = app.value?.sites ?? [];
  const { path, search } = place.value;
  const wantsNew = path === "/" && new URLSearchParams(search).has("new");
  const only = sites.length === 1 ? sites[0] : undefined;
  const toOnly = domain.value === "" && !wantsNew && only !== undefined;
  useEffect(() => {
    if (toOnly) go(sitePath(only.domain), "", "replace");
    else if (path === "/login" || path === "/setup") go("/", "", "replace");
  }, [toOnly, path]);
  if (toOnly) return null;
  if (domain.value !== "") return site.value ? <SitePage key={domain.value} /> : <NoSite />;
  if (wantsNew || sites.length === 0) return <AddSite />;
  return <Sites />;
}

function SitePage() {
  const at = site.value!;
  useEffect(() => {
    statusTrouble.value = undefined;
    void loadStatus(at.domain);
  }, [at.domain]);
  const s = status.value?.domain === at.domain ? status.value : undefined;
  if (!s && statusTrouble.value) {
    return (
      <main class="install">
        <h1>No answer</h1>
        <p class="lead" role="alert">{statusTrouble.value}</p>
        <button type="button" class="button primary" onClick={() => void loadStatus(at.domain)}>Try again</button>
      </main>
    );
  }
  if (view.value.page === "rules") return <Rules key={formatView(view.value)} site={at} />;
  if (s && (s.events === 0 || view.value.page === "install")) return <Install site={at} />;
  return <Dashboard site={at} />;
}

function NoSite() {
  return (
    <main class="install">
      <h1>There is no site {domain.value}</h1>
      <p class="lead">It may have been removed, or the address has a slip in it.</p>
      <p><a class="button" href="/" onClick={follow}>Your sites</a></p>
    </main>
  );
}
