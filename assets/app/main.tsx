import { render } from "preact";

render(<p>Footfall</p>, document.getElementById("app")!);
import "./app.css";
