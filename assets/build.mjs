// Builds everything browsers receive into dist/: the dashboard and, through tracker/build.mjs and data/build.mjs, the tracking script and
// the data sets the server embeds. `node build.mjs --dev` leaves names readable and adds source maps.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import * as esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");
const dev = process.argv.includes("--dev");
const shared = { bundle: true, minify: !dev, sourcemap: dev ? "inline" : false, legalComments: "none", logLevel: "warning", absWorkingDir: here };

// First load of the dashboard, gzip, all files: the budget of the design.
const appBudget = 90_000;

async function buildApp() {
  await esbuild.build({
    ...shared,
    entryPoints: { app: "app/main.tsx" },
    outdir: join(dist, "app"),
    format: "iife",
    target: "es2020",
    jsx: "automatic",
    jsxImportSource: "preact",
    define: { "process.env.NODE_ENV": '"production"' },
  });
  cpSync(join(here, "app/static"), join(dist, "app"), { recursive: true });
  writeFileSync(join(dist, "app/regions.json"), JSON.stringify(regions()));
  report("app/regions.json");
  const total = ["app/index.html", "app/app.js", "app/app.css"].map(report).reduce((a, b) => a + b, 0);
  console.log(`${"dashboard, first load".padEnd(24)}${kB(total)}`);
  if (total > appBudget) throw new Error(`the dashboard's first load is ${kB(total)}, the budget is ${kB(appBudget)}`);
}

/** The English names of regions, by country and by the rest of their ISO 3166-2 code. The page asks for them when it shows one. */
function regions() {
  const path = join(here, "node_modules/cldr-subdivisions-full/subdivisions/en/en.json");
  const names = {};
  for (const [code, name] of Object.entries(JSON.parse(readFileSync(path, "utf8")).subdivisions.localeDisplayNames.subdivisions)) {
    // Where two regions of a country share a name, the list tells them apart by a small digit, which no reader expects.
    (names[code.slice(0, 2).toUpperCase()] ??= {})[code.slice(2).toUpperCase()] = name.replace(/[²³]$/, "");
  }
  return names;
}

function report(name) {
  const bytes = readFileSync(join(dist, name));
  const zipped = gzipSync(bytes, { level: 9 }).length;
  console.log(`${name.padEnd(24)}${kB(zipped)} gzip, ${kB(bytes.length)} plain`);
  return zipped;
}

function kB(n) {
  return `${(n / 1000).toFixed(1)} kB`.padStart(9);
}

mkdirSync(dist, { recursive: true });
await buildApp();
for (const part of ["tracker", "data"]) {
  const { status } = spawnSync(process.execPath, [`${part}/build.mjs`, ...process.argv.slice(2)], { cwd: here, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
