// coatcheck on Astro.
import type { APIContext } from "astro";
import { session } from "../../../../../src/adapters/astro.ts";
import type { Session } from "../../../../../src/index.ts";
import { sessionsIn, throughProperty, withCoatcheck } from "../../../../contenders/coatcheck.ts";
import type { Fields } from "../../../../session-data.ts";

export const onRequest = session(await sessionsIn("memory", ""));
export const actions = throughProperty(withCoatcheck, ({ locals }: APIContext) => ({
  session: locals.session as unknown as Session<Fields>,
}));
