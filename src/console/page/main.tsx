// Starts the console's page.

import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import "./style.css";
import "./charts/charts.css";
import "./farm/farm.css";
import "./sessions/sessions.css";
import { App } from "./app.tsx";
import { type Connection, follow } from "./connection.ts";
import { Model, type View } from "./model.ts";

const root = document.getElementById("console")!;
const model = new Model();
let connection: Connection = { status: "connecting" };
let view: View | undefined;
/** The stream was broken since the last state. */
let hasGap = false;

let frame = 0;

/** With the next frame, so that a page that is hidden does not work. */
function show(): void {
  cancelAnimationFrame(frame);
  frame = requestAnimationFrame(() => render(<App connection={connection} view={view} />, root));
}

show();
follow(
  (state) => {
    view = model.accept(state, hasGap);
    hasGap = false;
    document.title = `${state.application} · console`;
    show();
  },
  (next) => {
    connection = next;
    hasGap ||= next.status !== "live" && view !== undefined;
    show();
  },
);
