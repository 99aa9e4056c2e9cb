import type { APIRoute } from "astro";

export const GET: APIRoute = ({ locals }) => {
  const counts = Object.values(locals.session.data.cart);
  return Response.json({ items: counts.reduce((sum, count) => sum + count, 0) });
};
