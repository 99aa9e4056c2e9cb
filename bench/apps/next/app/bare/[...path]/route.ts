// Next without sessions.
import { withoutSession } from "../../../../../contenders/without-session.ts";
import { answer, type RouteContext } from "../../../routes.ts";

export const GET = (_request: Request, context: RouteContext) => answer(context, withoutSession, undefined);
