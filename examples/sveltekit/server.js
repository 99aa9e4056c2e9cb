// Starts the built application. A proxy in front says whether the browser is on https; without one it is on http.

import { createServer } from "node:http";

const PROTOCOL = "x-forwarded-proto";
const port = process.env.PORT ?? 3000;

process.env.PROTOCOL_HEADER = PROTOCOL;
const { handler } = await import(new URL("build/handler.js", import.meta.url).href);

createServer((req, res) => {
  req.headers[PROTOCOL] ??= "http";
  handler(req, res);
}).listen(port, () => console.log(`http://localhost:${port}`));
