// Events that nobody calls: clicks on links and on what carries a tag, and forms that are sent.
import type { Options, Props, Track } from './script.ts'

export interface Wanted {
  outboundLinks?: boolean
  fileDownloads?: boolean | { fileExtensions?: string[] }
  formSubmissions?: boolean
}

const fileTypes =
  'pdf,xlsx,docx,txt,rtf,csv,exe,key,pps,ppt,pptx,7z,pkg,rar,gz,zip,avi,mov,mp4,mpeg,wmv,midi,mp3,wav,wma,dmg'

// The file types of the attributes: one replaces those above, one adds to them.
const attributeTypes = (script: Element) =>
  (script.getAttribute('file-types') || fileTypes) + ',' + script.getAttribute('add-file-types')

// What carries a tag. Its classes are then read one by one.
const tagged = '[class*="footfall-event-name"],[class*="plausible-event-name"]'

// Sends the event that the classes of an element name, such as "footfall-event-name=Sign+up" or "plausible-revenue-amount--9.50".
const sendTag = (track: Track, element: Element, event: Props = {}) => {
  const revenue: Props = {}
  element.classList.forEach(text => {
    const match = /^\w+-(event|revenue)-(.+?)(?:=|--)(.+)/.exec(text)
    if (match) (match[1] == 'event' ? event : revenue)[match[2]!] = match[3]!.replace(/\+/g, ' ')
  })
  const { name, ...props } = event
  if (name) track(name as string, { props, revenue: revenue.amount && revenue } as Options)
}

// Without keepalive a request may not outlive the page: then what leaves the page waits for it, but never long. Returns what to track with.
const waiting =
  (track: Track, event: Event, leave: null | false | (() => void)): Track =>
  (name, options) => {
    let gone = 0
    const go = () => gone++ || (leave as () => void)()
    if (leave && !event.defaultPrevented) {
      event.preventDefault()
      setTimeout(go, 5000)
      track(name, { ...options, callback: go })
    } else track(name, options)
  }

// Whether the click shows the link in the place of this page.
const leaves = (event: MouseEvent, link: HTMLAnchorElement) =>
  !(event.button || event.ctrlKey || event.metaKey || event.shiftKey || link.target || link.hasAttribute('download'))

/** Listens for as long as the page lives. */
export const listen = (track: Track, wanted: Wanted, script: Element) => {
  const downloads = wanted.fileDownloads as { fileExtensions?: string[] } | undefined
  const click = (event: MouseEvent) => {
    const target = event.target as Element
    const link = target.closest<HTMLAnchorElement>('a[href]')
    const element = TAGGED ? target.closest(tagged) : null
    const tell = COMPAT
      ? waiting(track, event, link && leaves(event, link) && (() => { location.href = link.href }))
      : track
    // The right button opens a menu.
    if (event.button < 2) {
      if (TAGGED && element) {
        // A form is counted when it is sent.
        if (element.tagName != 'FORM') sendTag(tell, element, link ? { url: link.href } : {})
      } else if (link?.host) {
        const url = link.href
        const file = url.split(/[?#]/)[0]!
        if ((SITE ? wanted.outboundLinks : OUTBOUND) && link.host != location.host) {
          tell('Outbound Link: Click', { props: { url } })
        } else if (
          SITE
            ? downloads && (downloads.fileExtensions || fileTypes.split(',')).includes(file.split('.').pop()!)
            : DOWNLOADS && attributeTypes(script).split(/[\s,]+/).includes(file.split('.').pop()!)
        ) {
          tell('File Download', { props: { url: file } })
        }
      }
    }
  }

  if (OUTBOUND || DOWNLOADS || TAGGED) {
    document.addEventListener('click', click)
    document.addEventListener('auxclick', click)
  }
  if (FORMS || TAGGED) {
    // Before the page's own code, which may stop the event; but to wait for a request it must be known whether that code did.
    document.addEventListener('submit', event => {
      const form = event.target as HTMLFormElement
      const element = TAGGED ? form.closest(tagged) : null
      if (TAGGED && element) {
        if (element == form) sendTag(COMPAT ? waiting(track, event, () => form.submit()) : track, form)
      } else if ((SITE ? wanted.formSubmissions : FORMS) && (form.noValidate || form.checkValidity())) {
        track('Form: Submission')
      }
    }, !COMPAT)
  }
}
