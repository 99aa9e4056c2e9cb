// What the adapter for TanStack Start uses of its types, which are not installed here. Applications have Start's own.

declare module "@tanstack/react-start" {
  /** What `createMiddleware().server()` takes. */
  export type RequestServerFn<_Register, _Middlewares, Context> = (options: {
    request: Request;
    /** A server function's own middleware gets none. */
    pathname?: string;
    next(options: { context: Context }): RequestResult | Promise<RequestResult>;
  }) => Promise<RequestResult | Response>;

  interface RequestResult {
    response?: Response;
  }

  /** What `createMiddleware({ type: "function" }).server()` takes. */
  export type FunctionMiddlewareServerFn<_Register, _Middlewares, _Validator, _SendContext, _Context, _Sent> =
    (options: { next(): Promise<object> }) => Promise<object>;
}
