// The benchmark's application on Koa.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import Koa from "koa";
import { type Actions, counted, SLOW_MS } from "../contender.ts";
import type { Fields } from "../session-data.ts";

/** Has no router: Koa has none of its own. `prepare` adds the middleware. */
export function koaApp<Request>(actions: Actions<Request>, prepare: (app: Koa) => void = () => {}): Promise<number> {
  const app = new Koa();
  prepare(app);

  app.use(async (ctx) => {
    const request = ctx as unknown as Request;
    const { path } = ctx;
    switch (path) {
      case "/read":
        ctx.body = actions.read(request);
        break;
      case "/change":
        ctx.body = counted(actions.change(request));
        break;
      case "/new":
        actions.fill(request);
        ctx.body = "created";
        break;
      case "/check":
        ctx.body = JSON.stringify(actions.all(request));
        break;
      case "/slow-change":
        await sleep(SLOW_MS);
        ctx.body = counted(actions.change(request));
        break;
      default:
        await sleep(SLOW_MS);
        actions.set(request, path.slice("/slow-set/".length) as keyof Fields & `slot${number}`);
        ctx.body = "written";
    }
  });

  const server = createServer(app.callback());
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}
