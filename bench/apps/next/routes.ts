// The benchmark's routes, for any kind of session.
import { setTimeout as sleep } from "node:timers/promises";
import { type AsyncActions, counted, SLOW_MS } from "../../contender.ts";

/** What Next gives a route handler besides the request. */
export interface RouteContext {
  readonly params: Promise<{ readonly path: readonly string[] }>;
}

/** `save` is for libraries that save only when the application asks for it. */
export async function answer<Request>(
  { params }: RouteContext,
  actions: AsyncActions<Request>,
  request: Request,
  save: () => void | Promise<void> = () => {},
): Promise<Response> {
  const [route, slot] = (await params).path;
  if (route?.startsWith("slow-")) await sleep(SLOW_MS);
  switch (route) {
    case "read":
      return new Response(await actions.read(request));
    case "check":
      return new Response(JSON.stringify(await actions.all(request)));
    case "change":
    case "slow-change": {
      const views = await actions.change(request);
      await save();
      return new Response(counted(views));
    }
    case "new":
      await actions.fill(request);
      await save();
      return new Response("created");
    case "slow-set":
      await actions.set(request, slot as `slot${number}`);
      await save();
      return new Response("written");
    default:
      return new Response(null, { status: 404 });
  }
}
