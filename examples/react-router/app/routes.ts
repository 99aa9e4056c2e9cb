import { index, type RouteConfig, route } from "@react-router/dev/routes";

export default [
  index("routes/shop.tsx"),
  route("sessions", "routes/sessions.tsx"),
  route("poll", "routes/poll.ts"),
] satisfies RouteConfig;
