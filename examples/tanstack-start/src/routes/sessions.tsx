import { createFileRoute, Link } from "@tanstack/react-router";
import { endSession, getOwnSessions } from "../shop.functions";

export const Route = createFileRoute("/sessions")({
  loader: () => getOwnSessions(),
  component: OwnSessions,
});

function OwnSessions() {
  return (
    <section className="card">
      <h2>Where you are signed in</h2>
      <ul className="list">
        {Route.useLoaderData().map(({ id, createdAt, isCurrent }) => (
          <li key={id} data-session={id} {...(isCurrent && { "data-current": "" })}>
            <span className="name">
              since {new Date(createdAt).toISOString().slice(0, 16).replace("T", " ")}{" "}
              {isCurrent && <span className="tag">this browser</span>}
            </span>
            <form method="post" action={endSession.url} data-form="end">
              <input type="hidden" name="id" value={id} />
              <button type="submit" className="quiet">
                End
              </button>
            </form>
          </li>
        ))}
      </ul>
      <p className="actions">
        <Link to="/">Back to the shop</Link>
      </p>
    </section>
  );
}
