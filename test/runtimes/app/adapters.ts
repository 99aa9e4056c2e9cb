// The application of the adapters' suite behind each adapter whose handlers take a `Request` and give a `Response`.

import type { H3Event } from "h3";
import type { Context } from "hono";
import type { Session } from "../../../src/index.ts";
import type { AdminData, Answer, Data, Kit } from "../../adapters/suite-app.ts";

export type Handler = (request: Request) => Promise<Response>;

/** Makes the application when it is asked for the first time. It then stays, with its sessions. */
export const adapters: Record<string, () => Promise<Handler>> = {
  fetch: once(async (kit) => {
    const { session } = await import("../../../src/adapters/fetch.ts");
    const { route, suiteOptions } = await import("../../adapters/suite-app.ts");
    const users = session(kit.users, {
      mode: ({ url }) => suiteOptions.mode(new URL(url).pathname),
      extend: ({ url }) => suiteOptions.extend(new URL(url).pathname),
    });
    const admins = session(kit.admins);
    return admins((request, admin) =>
      users(async (inner, user: Session<Data>) => toResponse(await route(user, new URL(inner.url), admin)))(request),
    );
  }),

  hono: once(async (kit) => {
    const { Hono } = await import("hono");
    const { session } = await import("../../../src/adapters/hono.ts");
    const { route, suiteOptions } = await import("../../adapters/suite-app.ts");
    const app = new Hono();
    app.onError((error, c) => ("getResponse" in error ? error.getResponse() : c.text("failed", 500)));
    const mode = (c: Context) => suiteOptions.mode(c.req.path);
    app.use(session(kit.users, { mode, extend: (c) => suiteOptions.extend(c.req.path) }));
    app.use(session(kit.admins, { property: "admin" }));
    app.all("*", async (c: Context) => {
      const { session, admin } = c.var as unknown as { session: Session<Data>; admin: Session<AdminData> };
      const { status, headers, body, stream } = await route(session, new URL(c.req.url), admin);
      return c.newResponse(stream ? streamOf(stream()) : (body ?? null), (status ?? 200) as 200, headers ?? {});
    });
    return async (request) => app.fetch(request);
  }),

  h3: once(async (kit) => {
    const { H3, HTTPResponse } = await import("h3");
    const { session } = await import("../../../src/adapters/h3.ts");
    const { route, suiteOptions } = await import("../../adapters/suite-app.ts");
    const app = new H3({ silent: true });
    const mode = ({ url }: H3Event) => suiteOptions.mode(url.pathname);
    app.use(session(kit.users, { mode, extend: ({ url }) => suiteOptions.extend(url.pathname) }));
    app.use(session(kit.admins, { property: "admin" }));
    app.all("/**", async ({ url, context }) => {
      const { session, admin } = context as unknown as { session: Session<Data>; admin: Session<AdminData> };
      const { status, headers, body, stream } = await route(session, url, admin);
      const content = stream ? streamOf(stream()) : (body ?? "");
      return new HTTPResponse(content, { status: status ?? 200, headers: headers ?? {} });
    });
    return async (request) => app.fetch(request);
  }),

  elysia: once(async (kit) => {
    const { Elysia } = await import("elysia");
    const { session } = await import("../../../src/adapters/elysia.ts");
    const { route, suiteOptions } = await import("../../adapters/suite-app.ts");
    const app = new Elysia()
      .use(
        session(kit.users, {
          mode: ({ url }) => suiteOptions.mode(new URL(url).pathname),
          extend: ({ url }) => suiteOptions.extend(new URL(url).pathname),
        }),
      )
      .use(session(kit.admins, { property: "admin" }))
      .all("/*", async ({ request, set, session, ...context }) => {
        const { admin } = context as unknown as { admin: Session<AdminData> };
        const { status, headers, body, stream } = await route(session as Session<Data>, new URL(request.url), admin);
        // Elysia gives every status a body, which Deno refuses for this one.
        if (status === 304) return new Response(null, { status, headers: headers ?? {} });
        set.status = status ?? 200;
        for (const [name, value] of Object.entries(headers ?? {})) set.headers[name.toLowerCase()] = value;
        return stream ? streamOf(stream()) : (body ?? "");
      });
    return async (request) => app.handle(request);
  }),
};

function once(make: (kit: Kit) => Promise<Handler>): () => Promise<Handler> {
  let made: Promise<Handler> | undefined;
  return () => {
    made ??= withCalls(make);
    return made;
  };
}

/** Answers `calls` with the number of calls that the users' store has had. */
async function withCalls(make: (kit: Kit) => Promise<Handler>): Promise<Handler> {
  const { createSessions } = await import("../../../src/index.ts");
  const { memory } = await import("../../../src/stores/memory/index.ts");
  const { createKit } = await import("../../adapters/suite-app.ts");
  const kit = createKit(createSessions, () => memory());
  const handler = await make(kit);
  return async (request) => (request.url.endsWith("/calls") ? new Response(String(kit.calls())) : handler(request));
}

function toResponse({ status, headers, body, stream }: Answer): Response {
  return new Response(stream ? streamOf(stream()) : body, { status: status ?? 200, headers: headers ?? {} });
}

function streamOf(texts: AsyncIterable<string>): ReadableStream<Uint8Array> {
  const iterator = texts[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      const { value, done } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(new TextEncoder().encode(value));
    },
  });
}
