// What a Next.js site renders with next-plausible, in both forms that are about, and what it has its own server pass on. {site} and {script}
// stand for what only the test knows; the argument is the address of Footfall. Writes JSON: by name, the HTML and the rewrites.
import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import Provider, { withPlausibleProxy } from "next-plausible";
import Provider3, { withPlausibleProxy as withPlausibleProxy3 } from "next-plausible-3";

const server = process.argv[2];
const src = server + "/js/{script}.js";

// What next-plausible 3 puts into the name of the script and onto its element.
const options = { trackOutboundLinks: true, trackFileDownloads: true, taggedEvents: true, revenue: true, trackLocalhost: true, pageviewProps: { theme: "dark" }, exclude: "/secret" };
const site = { domain: "{site}" };
const init = { customProperties: name => ({ theme: "dark", about: name }), fileDownloads: { fileExtensions: ["ogg"] } };

const pages = {
	"3 plain": [Provider3, { ...site, customDomain: server }],
	"3 self-hosted": [Provider3, { ...site, customDomain: server, selfHosted: true }],
	"3 options": [Provider3, { ...site, ...options, customDomain: server, selfHosted: true }],
	"3 hash": [Provider3, { ...site, hash: true, customDomain: server }],
	"3 manual": [Provider3, { ...site, manualPageviews: true, customDomain: server }],
	"3 proxy": [Provider3, { ...site, trackOutboundLinks: true }, withPlausibleProxy3({ customDomain: server })],
	"3 proxy, other names": [Provider3, site, withPlausibleProxy3({ customDomain: server, subdirectory: "ours", scriptName: "words" })],
	"4 plain": [Provider, { src }],
	"4 options": [Provider, { src, init }],
	"4 hash": [Provider, { src, init: { hashBasedRouting: true } }],
	"4 manual": [Provider, { src, init: { autoCapturePageviews: false } }],
	"4 proxy": [Provider, { init }, withPlausibleProxy({ src })],
	"4 proxy, other names": [Provider, {}, withPlausibleProxy({ src, scriptPath: "/ours/words.js", apiPath: "/ours/say" })],
};

async function render() {
	const rendered = {};
	for (const [name, [provider, props, proxy]] of Object.entries(pages)) {
		const config = proxy?.({}) ?? { env: {}, rewrites: () => [] };
		Object.assign(process.env, config.env); // Next puts them into the bundle
		rendered[name] = { html: renderToStaticMarkup(createElement(provider, props)), rewrites: await config.rewrites() };
		for (const variable of Object.keys(config.env)) delete process.env[variable];
	}
	return rendered;
}

render().then(rendered => console.log(JSON.stringify(rendered)));
