// npm run demo: a load balancer, the servers behind it, and the store that they share.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { parseArgs } from "node:util";
import express from "express";
import { type Answer, balancer } from "./balancer.ts";
import { control } from "./control.ts";
import { fleet } from "./fleet.ts";
import { nobodyPage } from "./page.ts";
import type { FarmState } from "./panel.ts";
import { describePlace, places, preparePlace } from "./stores.ts";

const USAGE = `npm run demo -- [--port 3000] [--servers 3]
  [--store ${Object.keys(places).join("|")}]
  [--config demo/session.json | --web-config demo/web.config]`;
const SHOWN_ANSWERS = 18;

let stopping = false;
const wanted = readArguments();
// Where a configuration file looks for it.
const secret = process.env.SESSION_SECRET || randomBytes(32).toString("base64url");
process.env.SESSION_SECRET = secret;
const kept = await preparePlace(wanted.kept).catch(giveUp);
const setup = {
  kept,
  secret,
  // Cookies don't know ports: two farms side by side must not take each other's tickets.
  cookie: `cloakroom-${randomBytes(3).toString("hex")}`,
};

const answers: Answer[] = [];
const farm = fleet(wanted.servers, setup, (server) => {
  panel.changed();
  if (server.state === "up") console.log(`  server ${server.number} is up, process ${server.pid}`);
  if (server.state === "down" && !stopping) console.log(`  server ${server.number} is dead`);
});
const state = (): FarmState => ({ servers: farm.servers, answers });
const panel = control(farm, state);

const app = express().disable("x-powered-by");
app.use("/farm", panel.router);
app.use(
  balancer({
    targets: () => farm.servers.filter((server) => server.state === "up"),
    headers: () => ({ "x-farm": JSON.stringify(state()) }),
    answered(answer) {
      answers.push(answer);
      if (answers.length > SHOWN_ANSWERS) answers.shift();
      panel.changed();
    },
    nobody: (_, res) => nobodyPage(res, state()),
  }),
);
const front = createServer(app);

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, stop);
process.once("disconnect", stop); // a test started this, and ended

console.log("The cloakroom opens.");
await Promise.all(farm.servers.map(({ number }) => farm.start(number))).catch(giveUp);
const port = await listen(wanted.port);
if (port !== wanted.port && wanted.port !== 0) console.log(`  port ${wanted.port} is taken, ${port} is free`);
const { name, where } = describePlace(kept);
console.log(`  sessions: ${name}. ${where}`);
console.log(`\n  http://127.0.0.1:${port}\n\nCtrl-C closes it.`);

/** The port, or the next one that is free. */
async function listen(port: number): Promise<number> {
  try {
    await once(front.listen(port, "127.0.0.1"), "listening");
    return (front.address() as AddressInfo).port;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    return listen(port + 1);
  }
}

/** Throw-away data and servers go when this process exits; what it forked has to be gone by then. */
async function stop(): Promise<void> {
  stopping = true;
  front.close();
  front.closeAllConnections();
  await farm.stop();
  process.exit();
}

/** A server that ends because the farm does is no failure: `stop` is at work, and has the last word. */
async function giveUp(error: Error): Promise<never> {
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
    if (!Object.hasOwn(places, values.store)) throw new Error(`There is no store "${values.store}".`);
    if (!Number.isInteger(port) || port < 0 || port > 65535) throw new Error(`"${values.port}" is no port.`);
    if (!Number.isInteger(servers) || servers < 1 || servers > 9) throw new Error("A farm has 1 to 9 servers.");
    const { config, "web-config": webConfig, store } = values;
    const kept =
      config !== undefined
        ? ({ configuration: "config", file: config } as const)
        : webConfig !== undefined
          ? ({ configuration: "web-config", file: webConfig } as const)
          : { store };
    return { kept, port, servers };
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    process.exit(2);
  }
}
