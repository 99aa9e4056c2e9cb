// The script of the demo's pages: keeps the page in place, and updates the panel when the farm changes.
// Everything works without it: a click posts a form, and the answer is a redirect.

document.documentElement.classList.add("live");

let latest = 0;

/** Shows a page in place of this one, unless there was a later click. */
async function show(request) {
  const click = ++latest;
  const response = await request;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  if (click === latest) replace(document.body, page.body);
}

/** Replaces `old` by `next` and keeps the focus. */
function replace(old, next) {
  const focused = document.activeElement?.id;
  old.replaceWith(next);
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

/** Sends parallel requests to different servers, which all write to one session. */
async function rush() {
  await Promise.all([...document.querySelectorAll(".goods form")].map(send));
  return fetch("/");
}

document.addEventListener("submit", (event) => {
  event.preventDefault();
  show(send(event.target)).catch(() => event.target.submit());
});

document.addEventListener("click", ({ target }) => {
  if (target.id === "rush") show(rush());
});

new EventSource("/farm/events").addEventListener("message", ({ data }) => {
  const panel = document.getElementById("panel");
  const next = panel?.cloneNode();
  if (!next) return;
  next.innerHTML = data;
  replace(panel, next);
});

/** Shows the time until the session ends. */
function tick() {
  for (const time of document.querySelectorAll("time")) {
    const seconds = Math.max(0, Math.round((Date.parse(time.dateTime) - Date.now()) / 1000));
    time.textContent = `in ${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }
}

setInterval(tick, 1000);
tick();
