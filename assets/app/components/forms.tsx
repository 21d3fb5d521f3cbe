// Setup, login and adding a site: pages of one form each.

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { addSite, login, setup } from "../api.ts";
import { capital, zoneName } from "../format.ts";
import { follow, go, place, sitePath } from "../router.ts";
import { app, loadApp, say } from "../session.ts";
import { reload } from "../slots.ts";
import { Logo } from "./icons.tsx";

const minPassword = 12;

interface FormProps {
  title: string;
  lead?: ComponentChildren;
  testid: string;
  action: string;
  /** Sends the form; an error it throws is shown. */
  send: (data: FormData) => Promise<void>;
  children: ComponentChildren;
}

function Form({ title, lead, testid, action, send, children }: FormProps) {
  const error = useSignal<string | undefined>(undefined);
  const busy = useSignal(false);
  const submit = async (e: SubmitEvent) => {
    e.preventDefault();
    if (busy.value) return;
    busy.value = true;
    error.value = undefined;
    try {
      await send(new FormData(e.currentTarget as HTMLFormElement));
    } catch (err) {
      error.value = capital(say(err));
    }
    busy.value = false;
  };
  return (
    <form class="card-form" data-testid={testid} onSubmit={submit} noValidate>
      <h1>{title}</h1>
      {lead && <p class="lead">{lead}</p>}
      {children}
      {error.value && <p class="form-error" role="alert">{error.value}</p>}
      <button class="button primary" type="submit" disabled={busy.value}>{busy.value ? "One moment…" : action}</button>
    </form>
  );
}

interface FieldProps {
  name: string;
  label: string;
  type?: "text" | "email" | "password";
  value?: string;
  hint?: ComponentChildren;
  autoComplete?: string;
  placeholder?: string;
  /** Whether typing goes here as soon as the form is shown. */
  focus?: boolean;
}

function Field({ name, label, type = "text", value, hint, autoComplete = "off", placeholder, focus = false }: FieldProps) {
  const input = useRef<HTMLInputElement>(null);
  // A document honours the attribute autofocus once; here several forms follow each other in one document.
  useLayoutEffect(() => {
    if (focus) input.current?.focus();
  }, []);
  return (
    <div class="field">
      <label for={name}>{label}</label>
      <input
        id={name}
        ref={input}
        name={name}
        type={type as "text"} // the typings know each input type apart, not a choice of them
        defaultValue={value}
        autocomplete={autoComplete}
        placeholder={placeholder}
        autocapitalize="none"
        spellcheck={false}
        aria-describedby={hint ? name + "-hint" : undefined}
      />
      {hint && <p class="hint" id={name + "-hint"}>{hint}</p>}
    </div>
  );
}

const text = (data: FormData, name: string): string => {
  const v = data.get(name);
  return typeof v === "string" ? v.trim() : "";
};

function checkEmail(email: string): void {
  if (!/^\S+@\S+$/.test(email)) throw new Error("Please give an e-mail address, such as you@example.com.");
}

/** Alone frames a page that is one form. */
export function Alone({ children }: { children: ComponentChildren }) {
  return (
    <main class="alone">
      <Logo />
      {children}
    </main>
  );
}

export function Setup() {
  const token = new URLSearchParams(place.value.search).get("token") ?? "";
  const send = async (data: FormData) => {
    const email = text(data, "email");
    const password = String(data.get("password") ?? "");
    const given = token || text(data, "token");
    if (given === "") throw new Error("The token is missing. It is the end of the setup link that the server printed when it started.");
    checkEmail(email);
    if ([...password].length < minPassword) throw new Error(`The password needs at least ${minPassword} characters; this one has ${[...password].length}.`);
    await setup(given, email, password);
    await loadApp();
    go("/", "", "replace");
  };
  return (
    <Alone>
      <Form title="Welcome" lead="Make the first account. It can see and change everything on this server." testid="setup-form" action="Make the account" send={send}>
        {!token && <Field name="token" label="Setup token" hint="The server printed a setup link when it started; this is its end." focus />}
        <Field name="email" label="E-mail" type="email" autoComplete="username" focus={token !== ""} hint="Your name at login. Nothing is ever sent to it unless you ask for reports." />
        <Field name="password" label="Password" type="password" autoComplete="new-password" hint={`At least ${minPassword} characters. A few unrelated words make a good one.`} />
      </Form>
    </Alone>
  );
}

export function Login() {
  const send = async (data: FormData) => {
    const email = text(data, "email");
    const password = String(data.get("password") ?? "");
    checkEmail(email);
    if (password === "") throw new Error("Please type your password.");
    await login(email, password);
    await loadApp();
    reload("failed"); // a login that ran out left its questions unanswered
    if (place.value.path === "/login") go("/", "", "replace");
  };
  return (
    <Alone>
      <Form title="Log in" testid="login-form" action="Log in" send={send}>
        <Field name="email" label="E-mail" type="email" autoComplete="username" focus />
        <Field name="password" label="Password" type="password" autoComplete="current-password" />
      </Form>
      <p class="aside">Forgot the password? Whoever has the server can set a new one: <code>footfall user passwd</code></p>
    </Alone>
  );
}

export function AddSite() {
  const first = (app.value?.sites.length ?? 0) === 0;
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone || "Etc/UTC";
  const zones = zoneNames(here);
  const send = async (data: FormData) => {
    const name = cleanDomain(text(data, "domain"));
    if (name === "") throw new Error("Please give the site's domain, such as example.com.");
    const site = await addSite(name, text(data, "timezone"));
    await loadApp();
    go(sitePath(site.domain), "?view=install");
  };
  return (
    <main class="alone wide-top">
      <Form title={first ? "Add your first site" : "Add a site"} testid="add-site-form" action="Add the site" send={send}>
        <Field name="domain" label="Domain" placeholder="example.com" focus hint="Without https:// and www. It also names the site here and in the API." />
        <div class="field">
          <label for="timezone">Time zone</label>
          <select id="timezone" name="timezone" aria-describedby="timezone-hint" defaultValue={here}>
            {zones.map((z) => <option key={z} value={z} selected={z === here}>{zoneName(z)}</option>)}
          </select>
          <p class="hint" id="timezone-hint">The site's days begin and end at midnight there.</p>
        </div>
      </Form>
      {!first && <p class="aside"><a href="/" onClick={follow}>Back to your sites</a></p>}
    </main>
  );
}

/** cleanDomain forgives a pasted address. */
function cleanDomain(typed: string): string {
  return typed.toLowerCase().replace(/^https?:\/\//, "").replace(/^www\./, "").replace(/[/?#]+$/, "");
}

function zoneNames(here: string): string[] {
  const known = typeof Intl.supportedValuesOf === "function" ? Intl.supportedValuesOf("timeZone") : [];
  return [...new Set(["Etc/UTC", here, ...known])].sort();
}
