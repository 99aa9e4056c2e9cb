// The benchmark's application on h3.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { H3, type H3Event, toNodeHandler } from "h3";
import { type AsyncActions, counted, SLOW_MS } from "../contender.ts";
import type { Fields } from "../session-data.ts";

/** `prepare` adds the middleware. */
export function h3App<Request>(actions: AsyncActions<Request>, prepare: (app: H3) => void = () => {}): Promise<number> {
  const app = new H3();
  prepare(app);
  const request = (event: H3Event) => event as unknown as Request;

  app.get("/read", async (event) => actions.read(request(event)));
  app.get("/change", async (event) => counted(await actions.change(request(event))));
  app.get("/new", async (event) => {
    await actions.fill(request(event));
    return "created";
  });
  app.get("/check", async (event) => JSON.stringify(await actions.all(request(event))));
  app.get("/slow-change", async (event) => {
    await sleep(SLOW_MS);
    return counted(await actions.change(request(event)));
  });
  app.get("/slow-set/:slot", async (event) => {
    await sleep(SLOW_MS);
    await actions.set(request(event), event.context.params!.slot as keyof Fields & `slot${number}`);
    return "written";
  });

  const server = createServer(toNodeHandler(app));
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}
