// The tracking script, served as /js/script.js. It tells the server which page is looked at, for how long and how
// far, and what the page's author calls an event. It never writes to the device, except when a visitor asks it to
// (optOut, optIn). It is loaded on every page of every site, so it must stay within 1.0 kB gzip.
//
// Attributes of the script element:
//   data-domain   the site, or several with commas between; without it the server takes the page's host
//   data-api      where events go; without it /api/event where the script came from
//   data-hash     pages are told apart by what follows "#"
//   data-manual   no pageview by itself, only by footfall("pageview", { u: "…" })
//   data-local    counts on localhost, on file: and in automated browsers too
//
// Wire format: a POST of one JSON object as text/plain, a request that needs no preflight. Keys: n name, u url,
// d domain, r referrer, p props, $ revenue, i interactive, h hash mode, v version of this format, sd scroll depth in
// percent, e engaged milliseconds.
export {}

type Result = { status: number } | { error: unknown }

interface Options {
  props?: Record<string, string | number | boolean>
  revenue?: { amount: number | string; currency: string }
  /** false: the event alone does not end a bounce. */
  interactive?: boolean
  /** Called when the server answered, or at once and without an argument if nothing was sent. */
  callback?: (result?: Result) => void
  /** The page's address, if it is not the one the browser shows. */
  u?: string
}

interface Track {
  (name: string, options?: Options): void
  /** Ends tracking in this browser. Returns undefined where the browser lets nothing be stored. */
  optOut?: () => unknown
  optIn?: () => unknown
  /** True once the script runs. */
  l?: boolean
  /** The calls made before it did. */
  q?: [name: string, options?: Options][]
}

interface Page extends Window {
  footfall?: Track
  plausible?: Track
  // What browser automation leaves behind; __plausible lets it be counted all the same.
  _phantom?: unknown
  __nightmare?: unknown
  Cypress?: unknown
  __plausible?: unknown
}

const page: Page = window
const doc = document
const here = location
const script = doc.currentScript as HTMLScriptElement
const data = script.dataset
const api = data.api || new URL('/api/event', script.src)
const hash = 'hash' in data ? 1 : undefined
const local = 'local' in data

// The pageview that engagement is told about. No url: none was sent yet, or the last one was not to be counted.
let url: unknown
let props: Options['props']
let path: string | undefined
let depth = 0 // the deepest pixel seen
let told = 0 // the deepest pixel told
let engaged = 0 // milliseconds of attention not told yet
let since = 0 // when the present stretch of attention began, 0 while there is none

// Storage throws where it is switched off or the frame is sandboxed; then nobody has opted out.
const stored = (use: (storage: Storage) => unknown) => {
  try {
    return use(localStorage)
  } catch {}
}

// Every request goes through here, so that nothing leaves where nothing may. Returns the url of what was sent.
const send = (event: Record<string, unknown>, callback: NonNullable<Options['callback']> = () => {}) => {
  if (
    (!local &&
      (/^file|:(localhost|127(\.\d+){1,3}|\[::1?\])$/.test(here.protocol + here.hostname) ||
        ((navigator.webdriver || page._phantom || page.__nightmare || page.Cypress) && !page.__plausible))) ||
    stored(storage => storage.plausible_ignore == 'true')
  ) {
    callback()
    return
  }
  event.d = data.domain
  event.h = hash
  event.v = 1
  // keepalive lets the request outlive the page. A string body goes as text/plain.
  fetch(api, { method: 'POST', keepalive: true, body: JSON.stringify(event) }).then(
    callback,
    error => callback({ error }),
  )
  return event.u
}

const scrolled = () => {
  depth = Math.max(depth, scrollY + innerHeight)
}

// Tells what became of the page since the last time, if that is worth a request.
const engagement = () => {
  if (url && (depth > told || engaged >= 3000)) {
    // A page that shrank after it was read gives more than 100; the server takes that as all of it.
    const seen = Math.round((depth / doc.documentElement.scrollHeight) * 100)
    send({ n: 'engagement', u: url, p: props, sd: seen, e: engaged })
    told = depth
    engaged = 0
  }
}

const track: Track = (name, options = {}) => {
  const pageview = name == 'pageview'
  if (pageview) {
    attention()
    engagement()
  }
  const sent = send(
    {
      n: name,
      u: options.u || here.href,
      r: doc.referrer || null,
      p: options.props,
      $: options.revenue,
      i: options.interactive,
    },
    options.callback,
  )
  if (pageview) {
    url = sent
    props = options.props
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

// A page that carries the snippet twice is counted once.
if (!(page.footfall && page.footfall.l)) {
  track.l = true
  track.optOut = () => stored(storage => (storage.plausible_ignore = true))
  track.optIn = () => stored(storage => delete storage.plausible_ignore)

  if (!('manual' in data)) {
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
    const start = () => path || doc.hidden || view()
    addEventListener('visibilitychange', start)
    start()
  }
  for (const type of ['visibilitychange', 'blur', 'focus']) addEventListener(type, attention)
  addEventListener('scroll', scrolled)

  for (const name of ['footfall', 'plausible'] as const) {
    const before = page[name]
    // Another product's script that runs already keeps its name.
    if (!(before && before.l)) {
      page[name] = track
      if (before && before.q) before.q.forEach(call => track(...call))
    }
  }
}
