import type { Route } from "./+types/mind-inner";

export const middleware: Route.MiddlewareFunction[] = [
  async (_args, next) => {
    await next();
    throw new Error("the middleware fails on purpose");
  },
];

export const loader = () => ({});

export default function Inner() {
  return <p>never seen</p>;
}
