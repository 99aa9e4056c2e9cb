import type { SessionStorage } from "react-router";
import { storage } from "../suite.server";
import type { Data } from "../suite-app";
import type { Route } from "./+types/storage";

// Code for React Router's own sessions takes these.
const { getSession, commitSession, destroySession }: SessionStorage<Data, { message: string }> = storage;

export async function loader({ request, url }: Route.LoaderArgs) {
  const session = await getSession(request.headers.get("Cookie"));
  switch (url.searchParams.get("call")) {
    case "login":
      session.set("user", "ann");
      session.flash("message", "Welcome!");
      break;
    case "has":
      return Response.json({ user: session.has("user"), message: session.has("message"), n: session.has("n") });
    case "message":
      return answer(session.get("message"), await commitSession(session));
    case "unset":
      session.unset("user");
      break;
    case "regenerate": {
      const own = await storage.getSession(request.headers.get("Cookie"));
      await own.coat.regenerate();
      return answer("regenerated", await storage.commitSession(own));
    }
    case "remember":
      return answer("remembered", await commitSession(session, { maxAge: 60 }));
    case "foreign":
      return answer("foreign", await commitSession({ ...session }));
    case "logout":
      return answer("bye", await destroySession(session));
  }
  return answer(session.get("user"), await commitSession(session));
}

function answer(body: unknown, cookie: string): Response {
  return Response.json(body ?? null, { headers: { "Set-Cookie": cookie } });
}
