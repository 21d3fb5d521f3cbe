// The dashboard's entry: starts what listens, then draws.

import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import "./styles/base.css";
import "./styles/frame.css";
import "./styles/dashboard.css";
import { App } from "./components/app.tsx";
import { startKeys } from "./keys.ts";
import { loadApp } from "./session.ts";
import { startSlots } from "./slots.ts";
import { startTheme } from "./theme.ts";

const root = document.getElementById("app");
if (!root) throw new Error("internal error: the page has no #app");

startTheme();
startKeys();
startSlots();
render(<App />, root);
void loadApp();
