// The contender: h3's own sessions.
import { getSession, type H3Event, updateSession } from "h3";
import { h3App } from "../apps/h3.ts";
import { type AsyncActions, type Contender, SECRET } from "../contender.ts";
import { type Fields, tenKeys } from "../session-data.ts";

const config = { password: SECRET, cookie: { secure: false } };

const withUpdate: AsyncActions<H3Event> = {
  read: async (event) => (await getSession<Fields>(event, config)).data.user!,
  async change(event) {
    const { data } = await updateSession<Fields>(event, config, ({ views = 0 }) => ({ views: views + 1 }));
    return data.views!;
  },
  fill: async (event) => void (await updateSession<Fields>(event, config, tenKeys())),
  set: async (event, slot) => void (await updateSession<Fields>(event, config, { [slot]: 1 })),
  all: async (event) => ({ ...(await getSession<Fields>(event, config)).data }),
};

/** Keeps the session in a sealed cookie. */
export default {
  framework: "h3",
  names: { cookie: "h3, sealed cookie" },
  start: () => h3App(withUpdate),
} satisfies Contender;
