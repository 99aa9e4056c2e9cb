import { readFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { type SessionRequest, session } from "coatcheck/node";
import { session as socketSession } from "coatcheck/ws";
import { WebSocketServer } from "ws";
import { chatPage } from "./page.ts";
import { openRoom } from "./room.ts";
import { sessions } from "./sessions.ts";

const TYPES: Record<string, string> = { "/style.css": "text/css", "/chat.js": "text/javascript" };

const withSession = session(sessions)(async (req, res) => {
  switch (`${req.method} ${req.url}`) {
    case "GET /":
      send(res, 200, chatPage(req.session.data.user));
      break;
    case "POST /login":
      await login(req, res);
      break;
    case "POST /logout":
      await req.session.destroy(); // closes the sockets of this browser's tabs, on every server
      seeOther(res);
      break;
    case "POST /logout-everywhere":
      if (req.session.owner !== undefined) await sessions.revokeAll(req.session.owner); // and those of all devices
      await req.session.destroy();
      seeOther(res);
      break;
    default:
      send(res, 404, "Not found");
  }
});

async function login(req: SessionRequest, res: ServerResponse): Promise<void> {
  const user = new URLSearchParams(await text(req)).get("user")?.trim() ?? "";
  if (user === "" || user.length > 40) {
    send(res, 422, chatPage(undefined, "Please enter a name of at most 40 letters."));
    return;
  }
  await req.session.regenerate(); // a new ticket: nobody can have put the old one into this browser
  req.session.owner = user;
  req.session.data.user = user;
  seeOther(res);
}

const server = createServer((req, res) => {
  const type = TYPES[req.url ?? ""];
  if (type === undefined) withSession(req, res);
  else send(res, 200, readFileSync(new URL(`public${req.url}`, import.meta.url), "utf8"), type);
});

const wss = new WebSocketServer({ noServer: true, maxPayload: 4096 });
const upgrade = socketSession(sessions, {
  // Browsers say which page has opened the socket. Another site's page must not speak for its visitor.
  accept: ({ data }, { headers }) => data.user !== undefined && hostOf(headers.origin) === headers.host,
});
server.on("upgrade", upgrade(wss));

const room = await openRoom((message) => {
  for (const client of wss.clients) client.send(message);
});
wss.on("connection", (socket) => {
  socket.send(JSON.stringify({ you: socket.session.data.user }));
  socket.on("message", (message) => {
    // Each message is a small request: the session is opened, changed and stored. One that has ended says nothing more.
    socket.session
      .use(async (session) => {
        session.update("said", (said = 0) => said + 1);
        await room.say(session.data.user!, String(message).slice(0, 500));
      })
      .catch((error) => console.error(error.message));
  });
});

server.listen(Number(process.env.PORT ?? 3000), process.env.HOST ?? "localhost");

function hostOf(origin: string | undefined): string | undefined {
  return origin !== undefined && URL.canParse(origin) ? new URL(origin).host : undefined;
}

function send(res: ServerResponse, status: number, body: string, type = "text/html"): void {
  res.writeHead(status, { "Content-Type": `${type}; charset=utf-8` }).end(body);
}

function seeOther(res: ServerResponse): void {
  res.writeHead(303, { Location: "/" }).end();
}
