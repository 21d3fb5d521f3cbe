// What a build of the script can do. The bundler knows each of these as true or false, and leaves out what is not asked for.

declare const SITE: boolean // a site's own script: its settings are baked in, and the page may call init
declare const HASH: boolean
declare const LOCAL: boolean
declare const MANUAL: boolean
declare const COMPAT: boolean
declare const EXCLUSIONS: boolean
declare const OUTBOUND: boolean
declare const DOWNLOADS: boolean
declare const FORMS: boolean
declare const TAGGED: boolean
declare const PROPS: boolean

// The settings of the site: the server puts an object in the place of this name.
declare const FOOTFALL_SITE: {
  domain: string
  endpoint: string
  outboundLinks?: boolean
  fileDownloads?: boolean
  formSubmissions?: boolean
  hashBasedRouting?: boolean
}
