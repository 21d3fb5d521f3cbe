// How to get the script onto a site, and the wait for its first visit.

import { useEffect, useRef } from "preact/hooks";
import type { Site } from "../api.ts";
import { fullNumber } from "../format.ts";
import { follow, go, sitePath } from "../router.ts";
import { loadStatus, status } from "../session.ts";
import { Check } from "./icons.tsx";
import { Script } from "./script.tsx";
import { loadSystem, system } from "./system.tsx";

const pollMs = 2000;

export function Install({ site }: { site: Site }) {
  const counted = (status.value?.events ?? 0) > 0;
  return (
    <main class="install">
      <h1>Count visits to {site.domain}</h1>
      <ol class="steps">
        <li>
          <h2>Put this line into every page, inside <code>&lt;head&gt;</code></h2>
          <Script site={site} />
        </li>
        <li>
          <h2>Open your site in a browser</h2>
          {counted ? <Counting site={site} /> : <Waiting site={site} />}
        </li>
      </ol>
    </main>
  );
}

/** astray is how many events came for sites that are not set up here. */
const astray = (): number | undefined => system.value?.siteless.reasons.find((r) => r.reason === "not_found")?.count ?? (system.value ? 0 : undefined);

function Waiting({ site }: { site: Site }) {
  const before = useRef(astray());
  const now = astray();
  before.current ??= now;
  const meanwhile = (now ?? 0) - (before.current ?? 0);
  useEffect(() => {
    const poll = async () => {
      await Promise.all([loadStatus(site.domain), loadSystem()]);
      // The first visit turns this page into the dashboard.
      if (status.value?.domain === site.domain && status.value.events > 0) go(sitePath(site.domain), "", "replace");
    };
    const timer = setInterval(() => void poll(), pollMs);
    return () => clearInterval(timer);
  }, [site.domain]);
  return (
    <>
      <p class="waiting" data-testid="waiting" role="status">
        <span class="pulse" aria-hidden="true" />
        Waiting for the first visit…
      </p>
      {meanwhile > 0 && (
        <p class="astray" role="status" data-testid="astray">
          Meanwhile {meanwhile === 1 ? "an event came for a site that is" : `${fullNumber(meanwhile)} events came for sites that are`} not set up here. Is the page's <code>data-domain</code> spelt <code>{site.domain}</code>?
        </p>
      )}
      <details class="help">
        <summary>Nothing happens?</summary>
        <ul>
          <li>Look at the page's source in the browser: is the line there? A cache may still serve the old page.</li>
          <li>Visits on <code>localhost</code> and from files are not counted unless you ask for it.</li>
          <li>An ad blocker in your own browser may hold the script back. Try a private window or another browser.</li>
          <li>If the site sends a Content-Security-Policy, allow <code>{location.origin}</code> in <code>script-src</code> and <code>connect-src</code>.</li>
        </ul>
      </details>
    </>
  );
}

function Counting({ site }: { site: Site }) {
  return (
    <p class="counting">
      <Check /> Visits are being counted. <a href={sitePath(site.domain)} onClick={follow}>Go to the dashboard</a>
    </p>
  );
}
