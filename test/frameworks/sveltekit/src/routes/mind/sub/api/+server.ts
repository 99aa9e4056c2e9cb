import { adminOf, userOf } from "#lib/server/suite.ts";
import type { RequestHandler } from "./$types";

export const GET: RequestHandler = async ({ locals, url }) => {
  const session = userOf(locals);
  const seen = `${session.data.n} and ${adminOf(locals).data.admin}`;
  const by = url.searchParams.get("by");
  if (by === "omit") return new Response(seen);
  session.update("n", (n) => (n ?? 0) + 1);
  if (by === "promote") await session.regenerate();
  if (by === "fail") return new Response("failed", { status: 500 });
  return new Response(seen);
};
