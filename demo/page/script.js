// Everything works without this script: a click is a form post and a redirect. With it the page stays where it is,
// and the panel tells what happens on the farm as it happens.

document.documentElement.classList.add("live");

let latest = 0;

/** Shows a page in place of this one, unless there was another click since. */
async function show(asking) {
  const turn = ++latest;
  const response = await asking;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  if (turn === latest) replace(document.body, page.body);
}

/** Puts `next` in place of `old`, and the focus back to where it was. */
function replace(old, next) {
  const focused = document.activeElement?.id;
  old.replaceWith(next);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  tick();
}

function send(form) {
  if (form.method === "get") return fetch(form.action);
  const fields = new FormData(form);
  // Without a new page there is no new hanger; and quick clicks want one each.
  if (fields.has("hanger")) fields.set("hanger", crypto.randomUUID());
  return fetch(form.action, { method: "POST", body: new URLSearchParams(fields) });
}

/** Many requests in parallel, each to another server, and all of them write to one session. */
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

/** Tells how long the session still lasts. */
function tick() {
  for (const time of document.querySelectorAll("time")) {
    const seconds = Math.max(0, Math.round((Date.parse(time.dateTime) - Date.now()) / 1000));
    time.textContent = `in ${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }
}

setInterval(tick, 1000);
tick();
