import { redirect } from "@sveltejs/kit";
import { sessions } from "#lib/server/sessions.ts";
import type { Actions, PageServerLoad } from "./$types";

export const load: PageServerLoad = async ({ locals: { session } }) => {
  const { id: currentId, owner } = session;
  if (owner === undefined) redirect(303, "/");
  const own = await Array.fromAsync(sessions.list({ owner }));
  return { own: own.map(({ id, createdAt = 0 }) => ({ id, since: new Date(createdAt), isCurrent: id === currentId })) };
};

export const actions: Actions = {
  async end({ locals: { session }, request }) {
    const id = String((await request.formData()).get("id"));
    const found = await sessions.find(id);
    if (found?.owner !== undefined && found.owner === session.owner) await sessions.revoke(id);
    redirect(303, "/sessions");
  },
};
