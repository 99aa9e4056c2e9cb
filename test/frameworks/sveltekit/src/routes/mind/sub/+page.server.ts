import { adminOf, userOf } from "#lib/server/suite.ts";
import type { PageServerLoad } from "./$types";

export const load: PageServerLoad = async ({ fetch, locals, url }) => {
  const session = userOf(locals);
  session.data.n = 10;
  adminOf(locals).data.admin = "root";
  const by = url.searchParams.get("by");
  const response = await fetch(`/mind/sub/api?by=${by}`, by === "omit" ? { credentials: "omit" } : {});
  return { api: await response.text(), n: session.data.n, isNew: session.isNew };
};
