import { lateChanges, short } from "../../../lib/suite";

export const GET = short.withSession((_request, session) => {
  session.data.list = [1];
  return Response.json(lateChanges.splice(0));
});
