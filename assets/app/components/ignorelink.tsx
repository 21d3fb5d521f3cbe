// The link by which a browser asks a site not to be counted.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { getIgnoreLink, newIgnoreLink, type IgnoreLink as Link, type Rule, type RuleMode, type Site } from "../api.ts";
import { sayCount } from "../rules.ts";
import { say } from "../session.ts";
import { CopyBox } from "./copy.tsx";
import { ModePicker } from "./modes.tsx";

interface Props {
  site: Site;
  rule: Rule;
  days: number;
  setMode: (mode: RuleMode) => void;
  /** The link is another one now. */
  changed: (text: string) => void;
}

export function IgnoreLink({ site, rule, days, setMode, changed }: Props) {
  const link = useSignal<Link | undefined>(undefined);
  const trouble = useSignal<string | undefined>(undefined);
  const take = async (ask: Promise<Link>) => {
    try {
      link.value = await ask;
      trouble.value = undefined;
    } catch (err) {
      trouble.value = say(err);
    }
  };
  useEffect(() => void take(getIgnoreLink(site.domain)), [site.domain, rule.mode]);
  const count = sayCount(rule, days);
  return (
    <section class="rule-part" aria-labelledby="ignore-link">
      <div class="rule-head">
        <h2 id="ignore-link">Do not count me</h2>
        <ModePicker of="the link" mode={rule.mode} among={rule.mode === "watch" ? undefined : ["drop", "off"]} onMode={setMode} />
      </div>
      <p class="hint">Open this link once in each browser that is not to be counted, yours or a colleague's: the browser remembers it and sends nothing more. {count && `${count}.`}</p>
      {trouble.value && <p class="form-error" role="alert">{trouble.value}</p>}
      {link.value && <CopyBox text={link.value.url} testid="ignore-link" />}
      {link.value && !link.value.works && <p class="hint">The link does nothing while its mode is not Drop.</p>}
      <button type="button" class="clear" onClick={async () => {
        await take(newIgnoreLink(site.domain));
        if (trouble.value === undefined) changed("There is a new link. The one before works no more; browsers that followed it stay uncounted.");
      }}>Make a new link, so that the old one works no more</button>
    </section>
  );
}
