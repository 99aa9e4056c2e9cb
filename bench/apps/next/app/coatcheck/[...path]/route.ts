// coatcheck on Next, with the store that the benchmark names.
import { nextSessions } from "../../../../../../src/adapters/next.ts";
import type { StoreName } from "../../../../../contender.ts";
import { sessionsIn, withCoatcheck } from "../../../../../contenders/coatcheck.ts";
import { answer, type RouteContext } from "../../../routes.ts";

const { withSession } = nextSessions(await sessionsIn(process.env.BENCH_STORE as StoreName, ""));

export const GET = withSession((_request, session, context: RouteContext) =>
  answer(context, withCoatcheck, { session }),
);
