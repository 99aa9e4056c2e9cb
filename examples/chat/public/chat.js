// The browser's side of the chat.

const state = document.querySelector("[data-state]");
const messages = document.querySelector("#messages");
const text = document.querySelector("#text");
const name = document.querySelector("[data-user]");
let socket;

function connect() {
  socket = new WebSocket(location.origin.replace(/^http/, "ws"));
  let wasOpen = false;
  socket.onopen = () => {
    wasOpen = true;
  };
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.you === undefined) add(message);
    else welcome(message.you);
  };
  socket.onclose = ({ code, reason }) => {
    // 1008: the session has ended. "session replaced": the user has signed in again in another tab.
    if (code === 1008 && reason !== "session replaced") location.reload();
    else if (wasOpen || code !== 1006) setTimeout(connect, 500);
    else setTimeout(checkSession, 1000);
    if (wasOpen) show("no connection");
  };
}

/** A handshake that is refused does not say why: the page does. */
async function checkSession() {
  show("no connection");
  const page = await fetch("/").then(
    (response) => response.text(),
    () => undefined,
  );
  if (page?.includes('data-form="login"')) location.reload();
  else connect();
}

/** The server's first message: who is signed in now. */
function welcome(user) {
  name.textContent = user;
  show("connected");
}

function show(what) {
  state.textContent = what === "connected" ? "You are in." : "No connection. Trying again …";
  state.dataset.state = what;
}

function add({ user, text: said }) {
  const item = document.createElement("li");
  const speaker = document.createElement("span");
  speaker.className = "name";
  speaker.textContent = user;
  item.append(speaker, ` ${said}`);
  messages.append(item);
  // Only what has come back was heard: until then the text stays where it can be sent again.
  if (user === name.textContent && said === text.value) text.value = "";
}

document.querySelector("#say").addEventListener("submit", (event) => {
  event.preventDefault();
  if (text.value.trim() === "" || socket.readyState !== WebSocket.OPEN) return;
  socket.send(text.value);
});

connect();
