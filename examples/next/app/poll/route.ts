import { withSession } from "../../lib/sessions";

// A page that polls must not keep its user logged in.
export const GET = withSession(
  (_request, session) => Response.json({ items: Object.values(session.data.cart).reduce((sum, n) => sum + n, 0) }),
  { mode: "readonly", extend: false },
);
