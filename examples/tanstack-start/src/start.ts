import { createCsrfMiddleware, createMiddleware, createStart } from "@tanstack/react-start";
import { dropFailed, session } from "coatcheck/tanstack-start";
import { sessions } from "./sessions";

const csrfMiddleware = createCsrfMiddleware({ filter: ({ handlerType }) => handlerType === "serverFn" });

const sessionMiddleware = createMiddleware().server(
  session(sessions, {
    // A page that polls must not keep its user logged in.
    mode: (request) => (isPoll(request) ? "readonly" : undefined),
    extend: (request) => !isPoll(request),
  }),
);

function isPoll(request: Request): boolean {
  return new URL(request.url).pathname === "/poll";
}

// What a server function that throws has changed is dropped.
const functionMiddleware = [createMiddleware({ type: "function" }).server(dropFailed)];

export const startInstance = createStart(() => ({
  requestMiddleware: [csrfMiddleware, sessionMiddleware],
  functionMiddleware,
}));
