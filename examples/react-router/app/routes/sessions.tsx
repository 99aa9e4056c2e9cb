import { sessionContext } from "coatcheck/react-router";
import { Form, Link, redirect } from "react-router";
import { sessions } from "../sessions.server";
import type { Route } from "./+types/sessions";

export async function loader({ context }: Route.LoaderArgs) {
  const { id: currentId, owner } = context.get(sessionContext);
  if (owner === undefined) throw redirect("/");
  const own = await Array.fromAsync(sessions.list({ owner }));
  return own.map(({ id, createdAt = 0 }) => ({
    id,
    since: new Date(createdAt).toISOString().slice(0, 16).replace("T", " "),
    isCurrent: id === currentId,
  }));
}

export async function action({ context, request }: Route.ActionArgs) {
  const id = String((await request.formData()).get("id"));
  const { owner } = context.get(sessionContext);
  const found = await sessions.find(id);
  if (owner !== undefined && found?.owner === owner) await sessions.revoke(id);
  return redirect("/sessions");
}

export default function Sessions({ loaderData }: Route.ComponentProps) {
  return (
    <section className="card">
      <h2>Where you are signed in</h2>
      <ul className="list">
        {loaderData.map(({ id, since, isCurrent }) => (
          <li key={id} data-session={id} {...(isCurrent && { "data-current": "" })}>
            <span className="name">
              since {since} {isCurrent && <span className="tag">this browser</span>}
            </span>
            <Form method="post" data-form="end">
              <input type="hidden" name="id" value={id} />
              <button type="submit" className="quiet">
                End
              </button>
            </Form>
          </li>
        ))}
      </ul>
      <p className="actions">
        <Link to="/">Back to the shop</Link>
      </p>
    </section>
  );
}
