import { createCsrfMiddleware, createMiddleware, createStart } from "@tanstack/react-start";
import { dropFailed, session } from "coatcheck/tanstack-start";
import { sessions } from "./sessions";
import { kit } from "./suite";
import { suiteOptions } from "./suite-app";

const csrfMiddleware = createCsrfMiddleware({ filter: ({ handlerType }) => handlerType === "serverFn" });

// The shop's session has its own name where the suite's stand beside it.
const shopMiddleware = createMiddleware().server(
  session(sessions, {
    mode: (request) => (isSuite(request) ? "none" : pathOf(request) === "/poll" ? "readonly" : undefined),
    extend: (request) => pathOf(request) !== "/poll",
  }),
);

const usersMiddleware = createMiddleware().server(
  session(kit.users, {
    property: "users",
    mode: (request) => (isSuite(request) ? suiteOptions.mode(pathOf(request)) : "none"),
    extend: (request) => suiteOptions.extend(pathOf(request)),
  }),
);

const adminsMiddleware = createMiddleware().server(
  session(kit.admins, { property: "admin", mode: (request) => (isSuite(request) ? undefined : "none") }),
);

function pathOf(request: Request): string {
  return new URL(request.url).pathname;
}

/** Server functions have paths of their own: the page that calls them says whose they are. */
function isSuite(request: Request): boolean {
  const page = request.headers.get("referer");
  const path = pathOf(request);
  return /^\/(suite|mind)\//.test(path.startsWith("/_serverFn/") && page ? new URL(page).pathname : path);
}

const functionMiddleware = [createMiddleware({ type: "function" }).server(dropFailed)];

export const startInstance = createStart(() => ({
  requestMiddleware: [csrfMiddleware, shopMiddleware, usersMiddleware, adminsMiddleware],
  functionMiddleware,
}));
