// The benchmark's application on Express.
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import express, { type RequestHandler } from "express";
import { type Actions, counted, SLOW_MS } from "../contender.ts";
import type { Fields } from "../session-data.ts";

/** Follows what Express's generator and guides write. */
export function expressApp<Request>(actions: Actions<Request>, middleware: RequestHandler[] = []): Promise<number> {
  const app = express();
  for (const one of middleware) app.use(one);
  const request = (req: object) => req as Request;

  app.get("/read", (req, res) => void res.type("text").send(actions.read(request(req))));
  app.get("/change", (req, res) => void res.type("text").send(counted(actions.change(request(req)))));
  app.get("/new", (req, res) => {
    actions.fill(request(req));
    res.type("text").send("created");
  });
  app.get("/check", (req, res) => void res.type("text").send(JSON.stringify(actions.all(request(req)))));
  app.get("/slow-change", async (req, res) => {
    await sleep(SLOW_MS);
    res.type("text").send(counted(actions.change(request(req))));
  });
  app.get("/slow-set/:slot", async (req, res) => {
    await sleep(SLOW_MS);
    actions.set(request(req), req.params.slot as keyof Fields & `slot${number}`);
    res.type("text").send("written");
  });

  return new Promise((resolve) => {
    const server = app.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}
