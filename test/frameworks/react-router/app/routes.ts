import { index, type RouteConfig, route } from "@react-router/dev/routes";

// The shop's, and those of the tests.
export default [
  index("routes/shop.tsx"),
  route("sessions", "routes/sessions.tsx"),
  route("poll", "routes/poll.ts"),
  route("suite/*", "routes/suite.ts"),
  route("mind", "routes/mind.tsx", [
    route("child", "routes/mind-child.tsx"),
    route("inner", "routes/mind-inner.tsx"),
    route("exclusive", "routes/mind-exclusive.ts"),
  ]),
  route("down", "routes/down.tsx"),
  route("down/resource", "routes/down-resource.ts"),
  route("storage", "routes/storage.ts"),
] satisfies RouteConfig;
