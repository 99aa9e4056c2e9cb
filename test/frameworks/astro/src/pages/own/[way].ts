// Astro's own sessions.

import { setTimeout as sleep } from "node:timers/promises";
import type { APIRoute } from "astro";

export const GET: APIRoute = async ({ params, session, url }) => {
  const key = url.searchParams.get("key") ?? "n";
  if (session === undefined) return new Response("no session", { status: 500 });
  switch (params.way) {
    case "get":
      return Response.json(Object.fromEntries(await session.entries()));
    case "slow-set":
      await session.get(key);
      await sleep(200);
      session.set(key, new URL("http://example.com/a"));
      break;
    case "set":
      session.set(key, url.searchParams.get("value") ?? "1");
      break;
    case "delete":
      session.delete(key);
      break;
    case "regenerate":
      await session.regenerate();
      break;
    case "destroy":
      session.destroy();
  }
  return new Response("done");
};
