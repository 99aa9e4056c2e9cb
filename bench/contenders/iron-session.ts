// The contender: iron-session.
import { getIronSession, type IronSession } from "iron-session";
import { nodeApp } from "../apps/node.ts";
import { type Contender, SECRET } from "../contender.ts";
import type { Fields } from "../session-data.ts";
import { withPlainObject } from "./plain-object.ts";

/** Keeps the session in a sealed cookie. The application calls `save` after a change. */
export default {
  framework: "node:http",
  names: { cookie: "iron-session, sealed cookie" },
  start() {
    const options = { password: SECRET, cookieName: "session", cookieOptions: { secure: false } };
    return nodeApp<{ session: IronSession<Fields> }>(
      withPlainObject,
      (handler) => async (req, res) => {
        const session = await getIronSession<Fields>(req, res, options);
        return handler(Object.assign(req, { session }), res);
      },
      ({ session }) => session.save(),
    );
  },
} satisfies Contender;
