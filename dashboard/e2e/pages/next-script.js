// Stands for next/script, which puts an element of the same attributes into the page once the page is there.
import { createElement } from "react";

export default props => createElement("script", props);
