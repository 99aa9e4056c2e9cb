// The script of the demo's pages: keeps the page in place, and updates the panel when the farm changes.
// Everything works without it: a click posts a form, and the answer is a redirect.

document.documentElement.classList.add("live");

const RETRY_MS = 1000;
const ROWS = [".servers", ".acts", ".rail"];
let latest = 0;

/** Shows a page in place of this one, unless there was a later click. */
async function show(request) {
  const click = ++latest;
  const page = await pageOf(request);
  if (click === latest) showPage(page);
}

async function pageOf(request) {
  const response = await request;
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

function showPage(page) {
  const hung = new Set(hangers(document));
  replace(document.body, page.body);
  for (const hanger of hangers(document)) if (!hung.has(hanger)) swing(hanger);
}

function hangers(page) {
  return [...page.querySelectorAll(".rail [data-hanger]")].map(({ dataset }) => dataset.hanger);
}

function swing(hanger) {
  const thing = document.querySelector(`[data-hanger="${hanger}"]`);
  thing.classList.add("new");
  const rail = thing.parentElement;
  rail.scrollLeft = rail.scrollWidth;
}

/** Replaces `old` by `next`, and keeps the focus and how far rows are scrolled. */
function replace(old, next) {
  const focused = document.activeElement?.id;
  const scrolled = ROWS.map((row) => [row, document.querySelector(row)?.scrollLeft ?? 0]);
  old.replaceWith(next);
  for (const [row, left] of scrolled) document.querySelector(row)?.scrollTo({ left });
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  tick();
}

function send(form) {
  if (form.method === "get") return fetch(form.action);
  const fields = new FormData(form);
  // The page stays, so each click needs a new hanger.
  if (fields.has("hanger")) fields.set("hanger", crypto.randomUUID());
  return fetch(form.action, { method: "POST", body: new URLSearchParams(fields) });
}

document.addEventListener("submit", (event) => {
  event.preventDefault();
  show(send(event.target)).catch(() => event.target.submit());
});

new EventSource("/farm/events").addEventListener("message", ({ data }) => {
  const parts = document.createElement("template");
  parts.innerHTML = data;
  for (const next of [...parts.content.children]) {
    const old = document.getElementById(next.id);
    if (old) replace(old, next);
  }
});

/** A shop that is closed asks again, and shows what it gets once the shop is open. */
async function askAgain() {
  const click = latest;
  const page = await pageOf(fetch("/"));
  if (click === latest && !isShut(page)) showPage(page);
}

function isShut({ body }) {
  return "shut" in body.dataset;
}

/** Shows the time until the session ends. */
function tick() {
  for (const time of document.querySelectorAll("time[data-counts-down]")) {
    const seconds = Math.max(0, Math.round((Date.parse(time.dateTime) - Date.now()) / 1000));
    time.textContent = `in ${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }
}

setInterval(tick, 1000);
setInterval(() => {
  if (isShut(document)) askAgain().catch(() => {});
}, RETRY_MS);
tick();
