import { error } from "@sveltejs/kit";
import { userOf } from "#lib/server/suite.ts";
import type { PageServerLoad } from "./$types";

export const load: PageServerLoad = ({ locals, url }) => {
  const session = userOf(locals);
  session.data.n = 5;
  switch (url.searchParams.get("by")) {
    case "throw":
      throw new Error("on purpose");
    case "not-found":
      error(404);
      break;
    case "unstorable":
      session.set("n", (() => {}) as never);
  }
  return { text: '"type":"error"' };
};
