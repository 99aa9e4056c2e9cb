import type { Session } from "coatcheck";
import { Suspense } from "react";
import { Await, data, redirect } from "react-router";
import { userContext } from "../suite.server";
import type { Data } from "../suite-app";
import type { Route } from "./+types/mind-child";

const ways: Record<string, (session: Session<Data>) => unknown> = {
  error() {
    throw new Error("the loader fails on purpose");
  },
  "not-found"() {
    throw data("no such page", { status: 404 });
  },
  redirect() {
    throw redirect("/suite/n");
  },
  unstorable: (session) => session.set("n", (() => {}) as never),
  async "promote-and-fail"(session) {
    await session.regenerate();
    session.set("n", (() => {}) as never);
  },
};

export async function loader({ context, url }: Route.LoaderArgs) {
  const session = context.get(userContext);
  session.update("n", (n) => (n ?? 0) + 1);
  await ways[url.searchParams.get("by") ?? ""]?.(session);
  const later = new Promise<string>((resolve) => setTimeout(() => resolve(refusal(session)), 20));
  return data({ later, user: session.data.user }, { headers: { "Set-Cookie": "child=1" } });
}

export async function action({ context }: Route.ActionArgs) {
  context.get(userContext).data.user = "ann";
  return { done: true };
}

export default function Child({ loaderData: { later, user } }: Route.ComponentProps) {
  return (
    <>
      <p data-user="">{user}</p>
      <Suspense fallback="…">
        <Await resolve={later}>{(text) => <p data-later="">{text}</p>}</Await>
      </Suspense>
    </>
  );
}

function refusal(session: Session<Data>): string {
  try {
    session.data.n = 99;
    return "written";
  } catch (error) {
    return String((error as Error).message);
  }
}
