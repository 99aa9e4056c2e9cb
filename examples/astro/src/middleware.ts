import { session } from "coatcheck/astro";
import { sessions } from "./lib/sessions";

// A page that polls reads the session, and does not keep its user signed in.
export const onRequest = session(sessions, {
  mode: ({ routePattern }) => (routePattern === "/poll" ? "readonly" : undefined),
  extend: ({ routePattern }) => routePattern !== "/poll",
});
