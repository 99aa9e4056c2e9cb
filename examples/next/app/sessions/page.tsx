import Link from "next/link";
import { Suspense } from "react";
import { session, sessions } from "../../lib/sessions";
import { endSession } from "../actions";

// The proxy has sent those away who are not signed in.
export default function SessionsPage() {
  return (
    <section className="card">
      <h2>Where you are signed in</h2>
      <Suspense>
        <OwnSessions />
      </Suspense>
      <p className="actions">
        <Link href="/">Back to the shop</Link>
      </p>
    </section>
  );
}

async function OwnSessions() {
  const { id: currentId, owner } = await session();
  const own = owner === undefined ? [] : await Array.fromAsync(sessions.list({ owner }));
  return (
    <ul className="list">
      {own.map(({ id, createdAt = 0 }) => (
        <li key={id} data-session={id} {...(id === currentId && { "data-current": "" })}>
          <span className="name">
            since {new Date(createdAt).toISOString().slice(0, 16).replace("T", " ")}{" "}
            {id === currentId && <span className="tag">this browser</span>}
          </span>
          <form action={endSession} data-form="end">
            <input type="hidden" name="id" value={id} />
            <button type="submit" className="quiet">
              End
            </button>
          </form>
        </li>
      ))}
    </ul>
  );
}
