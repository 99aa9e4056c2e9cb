// The benchmark's application on Fastify.
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type FastifyInstance, fastify } from "fastify";
import { type Actions, counted, SLOW_MS } from "../contender.ts";
import type { Fields } from "../session-data.ts";

/** Has no logger. `prepare` registers the plugins. */
export async function fastifyApp<Request>(
  actions: Actions<Request>,
  prepare: (app: FastifyInstance) => void = () => {},
): Promise<number> {
  const app = fastify();
  prepare(app);
  const request = (request: object) => request as Request;

  app.get("/read", (req, reply) => reply.send(actions.read(request(req))));
  app.get("/change", (req, reply) => reply.send(counted(actions.change(request(req)))));
  app.get("/new", (req, reply) => {
    actions.fill(request(req));
    return reply.send("created");
  });
  app.get("/check", (req, reply) => reply.send(JSON.stringify(actions.all(request(req)))));
  app.get("/slow-change", async (req) => {
    await sleep(SLOW_MS);
    return counted(actions.change(request(req)));
  });
  app.get<{ Params: { slot: keyof Fields & `slot${number}` } }>("/slow-set/:slot", async (req) => {
    await sleep(SLOW_MS);
    actions.set(request(req), req.params.slot);
    return "written";
  });

  await app.listen({ port: 0, host: "127.0.0.1" });
  return (app.server.address() as AddressInfo).port;
}
