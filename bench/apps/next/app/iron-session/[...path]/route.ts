// iron-session on Next. The application calls `save` after a change.
import { getIronSession } from "iron-session";
import { cookies } from "next/headers";
import { SECRET } from "../../../../../contender.ts";
import { withPlainObject } from "../../../../../contenders/plain-object.ts";
import type { Fields } from "../../../../../session-data.ts";
import { answer, type RouteContext } from "../../../routes.ts";

const options = { password: SECRET, cookieName: "session", cookieOptions: { secure: false } };

export async function GET(_request: Request, context: RouteContext): Promise<Response> {
  const session = await getIronSession<Fields>(await cookies(), options);
  return answer(context, withPlainObject, { session }, session.save);
}
