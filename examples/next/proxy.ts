import { NextResponse } from "next/server";
import { proxy } from "./lib/sessions";

// A visitor who is not signed in has no sessions to see. A response replaces the page; without one, the request goes on to it.
export default proxy(
  (request, session) => {
    if (session.owner === undefined) return NextResponse.redirect(new URL("/", request.url));
  },
  { mode: "readonly" },
);

export const config = { matcher: "/sessions" };
