// The benchmark's routes.
import { setTimeout as sleep } from "node:timers/promises";
import type { APIRoute } from "astro";
import { actions } from "#variant";
import { counted, SLOW_MS } from "../../../../contender.ts";

export const GET: APIRoute = async (context) => {
  const [route, slot] = (context.params.path ?? "").split("/");
  switch (route) {
    case "read":
      return answer(await actions.read(context));
    case "change":
      return answer(counted(await actions.change(context)));
    case "new":
      await actions.fill(context);
      return answer("created");
    case "check":
      return answer(JSON.stringify(await actions.all(context)));
    case "slow-change":
      await sleep(SLOW_MS);
      return answer(counted(await actions.change(context)));
    case "slow-set":
      await sleep(SLOW_MS);
      await actions.set(context, slot as `slot${number}`);
      return answer("written");
    default:
      return new Response(null, { status: 404 });
  }
};

/** Astro streams every body, so it does not know its length. */
function answer(body: string): Response {
  return new Response(body, { headers: { "Content-Length": String(Buffer.byteLength(body)) } });
}
