// What a site's own bundle does with the official package. Its settings stand on the script element.
import { init, track } from "@plausible-analytics/tracker";

const { domain, endpoint } = document.currentScript.dataset;

init({ domain, endpoint, outboundLinks: true });

document.querySelector("#signup").addEventListener("click", () => track("Signup", { props: { plan: "pro" } }));
