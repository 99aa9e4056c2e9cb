// What an application does with a session that is a plain object.
import type { Actions } from "../contender.ts";
import { type Fields, tenKeys } from "../session-data.ts";

/** The other libraries' sessions are objects with the keys as properties, besides some of the library's own. */
export const withPlainObject: Actions<{ session: Fields }> = {
  read: ({ session }) => session.user,
  change({ session }) {
    session.views = (session.views ?? 0) + 1;
    return session.views;
  },
  fill: ({ session }) => void Object.assign(session, tenKeys()),
  set({ session }, slot) {
    session[slot] = 1;
  },
  all: ({ session }) => ({ ...session, cookie: undefined }),
};
