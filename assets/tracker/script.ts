// The tracking script. It tells the server which page is looked at, for how long and how far, and what the page's author
// calls an event. It never writes to the device, except when a visitor asks it to (optOut, optIn). It is loaded on
// every page of every site, so it must stay small: build.mjs has the budgets.
//
// This one source becomes many scripts: build.mjs sets the names of flags.d.ts and builds each combination. All but a site's
// own script are told what to do by the attributes of their element:
//   data-domain   the site, or several with commas between; without it the server takes the page's host
//   data-api      where events go; without it /api/event where the script came from
//   data-hash     pages are told apart by what follows "#"
//   data-manual   no pageview by itself, only by footfall("pageview", { u: "…" })
//   data-local    counts on localhost, on file: and in automated browsers too
//
// Wire format: a POST of one JSON object as text/plain, a request that needs no preflight. Keys: n name, u url,
// d domain, r referrer, p props, $ revenue, i interactive, h hash mode, v version of this format, sd scroll depth in
// percent, e engaged milliseconds.
import { listen, type Wanted } from './automatic.ts'
import { excluded } from './exclusions.ts'

type Result = { status: number } | { error: unknown }
export type Props = Record<string, string | number | boolean>

/** Called when the server answered, or at once and without an argument if nothing was sent. */
export type Callback = (result?: Result) => unknown

export interface Options {
  props?: Props
  revenue?: { amount: number | string; currency: string }
  /** false: the event alone does not end a bounce. */
  interactive?: boolean
  callback?: Callback
  /** The page's address, if it is not the one the browser shows. */
  u?: string
  url?: string
}

type Payload = Record<string, unknown>

/** What a page may say to its site's own script, in place of the site's settings. */
interface Init extends Wanted {
  endpoint?: string
  hashBasedRouting?: boolean
  autoCapturePageviews?: boolean
  captureOnLocalhost?: boolean
  logging?: boolean
  lib?: string
  /** Properties of every event; those of the event itself win. */
  customProperties?: Props | ((name: string) => Props)
  /** Returns what to send instead of the payload, or nothing. */
  transformRequest?: (payload: Payload) => Payload | null | undefined
}

export interface Track {
  (name: string, options?: Options): unknown
  init?: (options?: Init) => void
  /** Ends tracking in this browser. Returns undefined where the browser lets nothing be stored. */
  optOut?: () => unknown
  optIn?: () => unknown
  /** True once the script runs. */
  l?: boolean
  /** Version and kind of a site's own script. */
  v?: number
  s?: string
  /** The calls made before the script ran: of the function, and of init. */
  q?: [name: string, options?: Options][]
  o?: Init
}

interface Page extends Window {
  footfall?: Track
  plausible?: Track
  // What Cypress leaves behind; __plausible lets it be counted all the same. Older kinds of automation cannot run this script.
  Cypress?: unknown
  __plausible?: unknown
}

const page: Page = window
const doc = document
const here = location
const script = (COMPAT ? doc.currentScript || doc.getElementById('plausible') : doc.currentScript) as HTMLScriptElement
const baked = SITE ? FOOTFALL_SITE : null
const data = SITE ? {} : script.dataset

// What a site's own script was told; in the others the constants and attributes say it.
let settings: Init = {}
let api: unknown
let hash: unknown
let local: unknown

let seen: Payload | undefined // the pageview that engagement is told about, if one was sent and the last one was to be counted
let path: string | undefined
// Each pageview sets these three anew, and none is read before the first.
let depth: number // the deepest pixel seen
let told: number // the deepest pixel told
let engaged: number // milliseconds of attention not told yet
let since: number // when the present stretch of attention began, 0 while there is none

// Storage throws where it is switched off or the frame is sandboxed; then nobody has opted out.
const stored = (use: (storage: Storage) => unknown) => {
  try {
    return use(localStorage)
  } catch {}
}

// Every request goes through here, so that nothing leaves where nothing may. Returns what was sent.
const send = (event: Payload, callback: Callback = () => {}) => {
  // Why not: words for the console of a site's own script, else just that it may not.
  let why: unknown =
    (!local &&
      (/^file|:(localhost|127\.[\d.]+|\[::1?\])$/.test(here.protocol + here.hostname)
        ? SITE ? 'localhost' : 1
        : (navigator.webdriver || page.Cypress) && !page.__plausible)) ||
    stored(storage => (SITE ? storage.plausible_ignore == 'true' && 'localStorage flag' : storage.plausible_ignore == 'true'))
  event.d = SITE ? baked!.domain : data.domain
  event.h = hash
  event.v = 1
  if (EXCLUSIONS && event.n == 'pageview') why = why || excluded(here.pathname + (hash ? here.hash : ''), data)
  if (SITE && !why && settings.transformRequest && event.n != 'engagement') {
    event = settings.transformRequest(event) as Payload
    why = !event && 'transformRequest'
  }
  if (!why) {
    // A body that is a string goes as text/plain.
    if (COMPAT) {
      const request = new XMLHttpRequest()
      request.open('POST', api as string)
      request.onload = () => {
        // To ask for the one header is an error in the console where it is not there.
        if (/footfall-ignore/.test(request.getAllResponseHeaders())) track.optOut!()
        callback(request)
      }
      request.onerror = error => callback({ error })
      request.send(JSON.stringify(event))
    } else {
      // keepalive lets the request outlive the page.
      fetch(api as string, { method: 'POST', keepalive: true, body: JSON.stringify(event) }).then(
        response => {
          // The visitor came by a link that asks not to be counted.
          if (response.headers.get('x-footfall-ignore')) track.optOut!()
          callback(response)
        },
        error => callback({ error }),
      )
    }
    return event
  }
  if (SITE && why != true && settings.logging != false) console.warn('Ignoring Event: ' + why)
  callback()
  return
}

const scrolled = () => {
  depth = Math.max(depth, scrollY + innerHeight)
}

// Tells what became of the page since the last time, if that is worth a request.
const engagement = () => {
  if (seen && (depth > told || engaged >= 3000)) {
    // A page that shrank after it was read gives more than 100; the server takes that as all of it.
    const percent = Math.round((depth / doc.documentElement.scrollHeight) * 100)
    send({ n: 'engagement', u: seen.u, p: seen.p, sd: percent, e: engaged })
    told = depth
    engaged = 0
  }
}

// Properties that every event carries: those that the page told init, or the attributes event-… of the script's element.
const siteProps = (name: string, { customProperties: custom }: Init) => (typeof custom == 'function' ? custom(name) : custom)

const elementProps = () => {
  const list: Props = {}
  for (const { name, value } of script.attributes) {
    if (/^event-/.test(name)) list[name.slice(6)] = value
  }
  return list
}

const stub: Partial<Track> = {} // what the page left in the place of the script
const early: [string, Options?][] = [] // calls before init

const track: Track = (name, options = {}) => {
  if (SITE && !api) return early.push([name, options])
  const pageview = name == 'pageview'
  if (pageview) {
    attention()
    engagement()
  }
  const sent = send(
    {
      n: name,
      u: (SITE || MANUAL ? options.u || options.url : options.u) || here.href,
      r: doc.referrer,
      p: SITE || PROPS ? { ...(SITE ? siteProps(name, settings) : elementProps()), ...options.props } : options.props,
      $: options.revenue,
      i: options.interactive,
    },
    options.callback,
  )
  if (pageview) {
    seen = sent
    depth = told = engaged = 0
    scrolled()
  }
}

// A change of the query alone is no new page, so without force only another path counts.
const view = (force?: unknown) => {
  if (force || path != here.pathname) {
    path = here.pathname
    track('pageview')
  }
}

// Runs when attention may have come or gone. The clock runs while the page is visible and has the focus.
const attention = () => {
  const now = Date.now()
  if (since) engaged += now - since
  since = !doc.hidden && doc.hasFocus() ? now : 0
  since || engagement()
}

const start = () => {
  if (SITE ? settings.autoCapturePageviews != false : !MANUAL && !('manual' in data)) {
    if (hash) addEventListener('hashchange', view)
    else {
      const push = history.pushState
      history.pushState = function (...state) {
        push.apply(this, state)
        view()
      }
      addEventListener('popstate', () => view())
    }
    // Back from the back-forward cache: the script never stopped, but it is a new look at the page.
    addEventListener('pageshow', event => event.persisted && view(1))
    // A page rendered ahead or opened in a background tab counts when it is first seen.
    const first = () => path || doc.hidden || view()
    addEventListener('visibilitychange', first)
    first()
  }
  for (const type of ['visibilitychange', 'blur', 'focus']) addEventListener(type, attention)
  addEventListener('scroll', scrolled)
  if (OUTBOUND || DOWNLOADS || TAGGED || FORMS) listen(track, settings, script)
}

// A page that carries the snippet twice is counted once.
if (!page.footfall?.l) {
  track.l = true
  track.optOut = () => stored(storage => (storage.plausible_ignore = true))
  track.optIn = () => stored(storage => delete storage.plausible_ignore)

  if (SITE) {
    track.init = given => {
      if (api) {
        console.warn('init() can only be called once')
        return
      }
      settings = { ...baked, ...given }
      api = given?.endpoint || new URL(baked!.endpoint, script?.src || here.href)
      hash = settings.hashBasedRouting ? 1 : undefined
      local = settings.captureOnLocalhost
      track.s = settings.lib || 'web'
      start()
      early.forEach(call => track(...call))
    }
  } else {
    api = data.api || new URL('/api/event', script.src)
    hash = HASH || 'hash' in data ? 1 : undefined
    local = LOCAL || 'local' in data
    start()
  }

  for (const name of ['footfall', 'plausible'] as const) {
    const before = page[name]
    // Another product's script that runs already keeps its name.
    if (!before?.l) {
      page[name] = track
      before?.q?.forEach(call => track(...call))
      if (SITE) Object.assign(stub, before)
    }
  }
  if (SITE) {
    const begin = () => api || track.init!(stub.o)
    if (stub.o) begin()
    // A page without a stub wants no more than what the site's settings say, unless it calls init right after the script.
    else if (!stub.init) doc.readyState == 'loading' ? addEventListener('DOMContentLoaded', begin) : begin()
  }
}
