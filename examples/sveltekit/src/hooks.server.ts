import { session } from "coatcheck/sveltekit";
import { sessions } from "#lib/server/sessions.ts";

// A page that polls reads the session, and does not keep its user signed in.
export const handle = session(sessions, {
  mode: ({ route }) => (route.id === "/poll" ? "readonly" : undefined),
  extend: ({ route }) => route.id !== "/poll",
});
