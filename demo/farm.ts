// npm run demo: runs a load balancer, the servers behind it, and the store that they share.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { parseArgs } from "node:util";
import express from "express";
import { connectorOf } from "./acts/rival-stores.ts";
import { type Answer, balancer } from "./balancer.ts";
import { noServerPage } from "./closed.ts";
import { control } from "./control.ts";
import { farmHeader } from "./farm-header.ts";
import { fleet } from "./fleet.ts";
import type { FarmState } from "./state.ts";
import { storeControl } from "./store-control.ts";
import { describeStore, environments } from "./stores.ts";

const USAGE = `npm run demo -- [--port 3000] [--servers 3]
  [--store ${Object.keys(environments).join("|")}]
  [--config demo/session.json | --web-config demo/web.config]`;
const SHOWN_ANSWERS = 18;

let stopping = false;
const wanted = readArguments();
// Configuration files read the secret from the environment.
const secret = process.env.SESSION_SECRET || randomBytes(32).toString("base64url");
process.env.SESSION_SECRET = secret;
// Cookies are shared by all ports of a host, so two farms side by side need different names.
const cookie = `cloakroom-${randomBytes(3).toString("hex")}`;
const store = await storeControl(wanted.store, {
  secret,
  async replaceServers() {
    for (const { number } of farm.servers) await farm.replace(number);
  },
  onChange: () => panel.changed(),
}).catch(exitWith);

const answers: Answer[] = [];
const setup = () => ({ location: store.location, secret, cookie });
const farm = fleet(wanted.servers, setup, (server) => {
  panel.changed();
  if (server.state === "up") console.log(`  server ${server.number} is up, process ${server.pid}`);
  if (server.state === "down" && !stopping) console.log(`  server ${server.number} is down`);
});
const state = (): FarmState => ({ url, servers: farm.servers, store: store.state, answers });
const panel = control(farm, store, state);

const app = express().disable("x-powered-by");
app.use("/farm", panel.router);
app.use(
  balancer({
    targets({ url }) {
      const up = farm.servers.filter((server) => server.state === "up");
      // A MemoryStore of express-session is in one process: it gets the same server each time.
      const isAlone = url?.startsWith("/rival/") && connectorOf(store.location) === undefined;
      return isAlone ? up.slice(0, 1) : up;
    },
    headers: () => farmHeader(state()),
    onAnswer(answer) {
      answers.push(answer);
      if (answers.length > SHOWN_ANSWERS) answers.shift();
      panel.changed();
    },
    noServer: (_, res) => noServerPage(res, state()),
  }),
);
const front = createServer(app);

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, stop);
process.once("disconnect", stop); // the test that started this process has ended

console.log("The demo is starting.");
const port = await listen(wanted.port);
const url = `http://127.0.0.1:${port}`;
await Promise.all(farm.servers.map(({ number }) => farm.start(number))).catch(exitWith);
if (port !== wanted.port && wanted.port !== 0) console.log(`  port ${wanted.port} is in use: using ${port} instead`);
const { name, where } = await describeStore(store.location);
console.log(`  sessions: ${name}. ${where}`);
console.log(`\n  ${url}\n\nPress Ctrl-C to stop.`);

/** Listens on the port, or on the next one that is free, and resolves with it. */
async function listen(port: number): Promise<number> {
  try {
    await once(front.listen(port, "127.0.0.1"), "listening");
    return (front.address() as AddressInfo).port;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    return listen(port + 1);
  }
}

/** Temporary data and database servers end with this process. The servers of the farm must end before it. */
async function stop(): Promise<void> {
  stopping = true;
  front.close();
  front.closeAllConnections();
  await farm.stop();
  process.exit();
}

/** Exits with an error, unless the farm is stopping: servers that end because of that are no failure. */
async function exitWith(error: Error): Promise<never> {
  if (stopping) return new Promise(() => {});
  console.error(error.message);
  process.exit(1);
}

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        store: { type: "string", default: "file" },
        config: { type: "string" },
        "web-config": { type: "string" },
        port: { type: "string", default: "3000" },
        servers: { type: "string", default: "3" },
      },
    });
    const [port, servers] = [Number(values.port), Number(values.servers)];
    if (!Object.hasOwn(environments, values.store)) throw new Error(`--store: unknown store "${values.store}".`);
    if (!Number.isInteger(port) || port < 0 || port > 65535)
      throw new Error(`--port: expected a port, got "${values.port}".`);
    if (!Number.isInteger(servers) || servers < 1 || servers > 9)
      throw new Error(`--servers: expected a number from 1 to 9, got "${values.servers}".`);
    const { config, "web-config": webConfig } = values;
    const store =
      config !== undefined
        ? ({ configuration: "config", file: config } as const)
        : webConfig !== undefined
          ? ({ configuration: "web-config", file: webConfig } as const)
          : { environment: values.store };
    return { store, port, servers };
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    process.exit(2);
  }
}
