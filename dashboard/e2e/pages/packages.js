// What a site's own bundle holds of the packages in npm that were written for Plausible. The pages of the tests set them up.
export * as tracker from "@plausible-analytics/tracker";
export { default as Plausible } from "plausible-tracker";
export { VuePlausible } from "vue-plausible";
export { default as Vue } from "vue";
