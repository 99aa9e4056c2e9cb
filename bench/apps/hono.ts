// The benchmark's application on Hono, served by @hono/node-server.
import { setTimeout as sleep } from "node:timers/promises";
import { serve } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { type AsyncActions, counted, SLOW_MS } from "../contender.ts";
import type { Fields } from "../session-data.ts";

/** `prepare` adds the middleware. */
export function honoApp<Request>(
  actions: AsyncActions<Request>,
  prepare: (app: Hono) => void = () => {},
): Promise<number> {
  const app = new Hono();
  prepare(app);
  const request = (c: Context) => c as unknown as Request;

  app.get("/read", async (c) => c.text(await actions.read(request(c))));
  app.get("/change", async (c) => c.text(counted(await actions.change(request(c)))));
  app.get("/new", async (c) => {
    await actions.fill(request(c));
    return c.text("created");
  });
  app.get("/check", async (c) => c.text(JSON.stringify(await actions.all(request(c)))));
  app.get("/slow-change", async (c) => {
    await sleep(SLOW_MS);
    return c.text(counted(await actions.change(request(c))));
  });
  app.get("/slow-set/:slot", async (c) => {
    await sleep(SLOW_MS);
    await actions.set(request(c), c.req.param("slot") as keyof Fields & `slot${number}`);
    return c.text("written");
  });

  return new Promise((resolve) => {
    serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) => resolve(port));
  });
}
