// Builds the tracking script into dist/tracker/, in every form that a page may ask for. What the server reads:
//
//   extensions.txt  the extensions of a script's name that change its code, one a line; the n-th is bit n of the script's number
//   00.gz …         64 scripts each, by number, with a zero byte between them
//   site.js         a site's own script; the server puts the site's settings in the place of FOOTFALL_SITE
//
// All scripts are much alike: packed so, a thousand take the place of a hundred, and one is found by unpacking few.
// With --dev names stay readable.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import * as esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "../dist/tracker");
const dev = process.argv.includes("--dev");

// Each extension and the name of flags.d.ts that it sets.
const extensions = {
  "hash": "HASH",
  "local": "LOCAL",
  "manual": "MANUAL",
  "compat": "COMPAT",
  "exclusions": "EXCLUSIONS",
  "outbound-links": "OUTBOUND",
  "file-downloads": "DOWNLOADS",
  "form-submissions": "FORMS",
  "tagged-events": "TAGGED",
  "pageview-props": "PROPS",
};
const names = Object.keys(extensions);
const automatic = ["outbound-links", "file-downloads", "form-submissions", "tagged-events"];
const together = 64;

// Bytes, gzip: the budgets of the design. No script at all may be larger than one with every automatic event.
const pageviewBudget = 1_000;
const budget = 2_000;

async function build(on, site = false) {
  const define = { SITE: String(site) };
  for (const name of names) define[extensions[name]] = String(on.includes(name));
  const { outputFiles } = await esbuild.build({
    absWorkingDir: here,
    entryPoints: ["script.ts"],
    bundle: true,
    minify: !dev,
    write: false,
    format: "iife",
    target: on.includes("compat") ? "es2018" : "es2020",
    tsconfigRaw: { compilerOptions: { alwaysStrict: false } }, // or each script begins with "use strict"
    legalComments: "none",
    logLevel: "warning",
    define,
  });
  return outputFiles[0].text.trim();
}

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });
writeFileSync(join(dist, "extensions.txt"), names.join("\n") + "\n");
const scripts = await Promise.all(Array.from({ length: 2 ** names.length }, (_, n) => build(names.filter((_, bit) => (n >> bit) & 1))));
let packed = 0;
for (let n = 0; n < scripts.length; n += together) {
  const bytes = gzipSync(scripts.slice(n, n + together).join("\0"), { level: 9 });
  writeFileSync(join(dist, `${String(n / together).padStart(2, "0")}.gz`), bytes);
  packed += bytes.length;
}
const site = await build(automatic, true);
writeFileSync(join(dist, "site.js"), site);

const sizeOf = (script) => gzipSync(script, { level: 9 }).length;
const settings = { domain: "example.org", endpoint: "/api/event", outboundLinks: true, fileDownloads: true, formSubmissions: true };
const sizes = scripts.map(sizeOf);
const siteSize = sizeOf(site.replace("FOOTFALL_SITE", JSON.stringify(settings)));
const largest = Math.max(...sizes, siteSize);
const say = (what, n) => console.log(`${what.padEnd(34)}${String(n).padStart(7)} bytes gzip`);
const number = (on) => on.reduce((n, name) => n | (1 << names.indexOf(name)), 0);
say("script.js", sizes[0]);
for (const name of names) say(`script.${name}.js`, sizes[number([name])]);
say("script.js, every automatic event", sizes[number(automatic)]);
say("a site's own script", siteSize);
say(`the largest of ${scripts.length}`, largest);
say("all of them, packed", packed);
if (!dev && sizes[0] > pageviewBudget) throw new Error(`script.js has ${sizes[0]} bytes, gzip; the budget is ${pageviewBudget}`);
if (!dev && largest > budget) throw new Error(`a tracking script has ${largest} bytes, gzip; the budget is ${budget}`);
