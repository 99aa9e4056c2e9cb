import { json } from "@sveltejs/kit";
import type { RequestHandler } from "./$types";

export const GET: RequestHandler = ({ locals }) => {
  const counts = Object.values(locals.session.data.cart);
  return json({ items: counts.reduce((sum, count) => sum + count, 0) });
};
