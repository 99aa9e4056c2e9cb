import { cookies } from "next/headers";
import { forbidden, notFound, permanentRedirect, redirect, unauthorized } from "next/navigation";
import { users } from "../../../lib/suite";

const ways: Record<string, () => Response | Promise<Response>> = {
  redirect: () => redirect("/mind/acts?to=a;b;c"),
  permanent: () => permanentRedirect("/mind/acts"),
  "not-found": () => notFound(),
  forbidden: () => forbidden(),
  unauthorized: () => unauthorized(),
  seen: async () => Response.json({ sees: (await users.session()).data.n }),
  throw() {
    throw new Error("the handler fails on purpose");
  },
};

// A handler that writes, and leaves by what throws.
export const GET = users.withSession(async (request, session) => {
  session.update("n", (n) => (n ?? 0) + 1);
  (await cookies()).set("theme", "dark");
  return ways[request.nextUrl.searchParams.get("by")!]!();
});
