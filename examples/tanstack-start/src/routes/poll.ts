import { createFileRoute } from "@tanstack/react-router";

export const Route = createFileRoute("/poll")({
  server: {
    handlers: {
      GET: ({ context: { session } }) =>
        Response.json({ items: Object.values(session.data.cart).reduce((sum, n) => sum + n, 0) }),
    },
  },
});
