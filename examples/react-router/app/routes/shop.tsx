import { sessionContext } from "coatcheck/react-router";
import { data, Form, Link, redirect } from "react-router";
import { goods, isItem } from "../goods";
import { sessions } from "../sessions.server";
import type { Route } from "./+types/shop";

export function loader({ context }: Route.LoaderArgs) {
  const session = context.get(sessionContext);
  return { user: session.data.user, cart: session.data.cart };
}

export async function action({ context, request }: Route.ActionArgs) {
  const session = context.get(sessionContext);
  const form = await request.formData();
  switch (form.get("intent")) {
    case "login": {
      const user = String(form.get("user") ?? "").trim();
      if (user === "") return data({ error: "Please enter a name." }, { status: 422 });
      await session.regenerate(); // a new ticket: nobody can have put the old one into this browser
      session.owner = user;
      session.data.user = user;
      break;
    }
    case "add": {
      const item = form.get("item");
      if (isItem(item)) session.update("cart", (cart) => ({ ...cart, [item]: (cart?.[item] ?? 0) + 1 }));
      break;
    }
    case "logout":
      await session.destroy();
      break;
    case "logout-everywhere":
      if (session.owner !== undefined) await sessions.revokeAll(session.owner);
      await session.destroy();
  }
  return redirect("/");
}

export default function Shop({ loaderData: { user, cart }, actionData }: Route.ComponentProps) {
  const items = Object.entries(cart);
  return (
    <>
      <div className="cards">
        <section className="card">
          {user === undefined ? <Login error={actionData?.error} /> : <User user={user} />}
        </section>
        <section className="card">
          <h2>Your cart</h2>
          {items.length === 0 ? (
            <p className="empty">Nothing yet. It stays while you sign in.</p>
          ) : (
            <ul className="list">
              {items.map(([item, count]) => (
                <li key={item} data-cart-item={item} data-count={count}>
                  <span className="name">{item}</span> × {count}
                </li>
              ))}
            </ul>
          )}
        </section>
      </div>
      <section className="card">
        <h2>Goods</h2>
        <ul className="goods">
          {goods.map(({ item, name, icon }) => (
            <li key={item}>
              <span className="icon">{icon}</span>
              <span className="name">{name}</span>
              <Form method="post" data-form="add" data-item={item}>
                <input type="hidden" name="intent" value="add" />
                <button type="submit" name="item" value={item}>
                  Add
                </button>
              </Form>
            </li>
          ))}
        </ul>
      </section>
    </>
  );
}

function Login({ error }: { error: string | undefined }) {
  return (
    <>
      <h2>Sign in</h2>
      <Form method="post" data-form="login">
        <input type="hidden" name="intent" value="login" />
        <label htmlFor="user">Any name will do</label>
        <input id="user" name="user" autoComplete="username" />
        <button type="submit">Sign in</button>
        {error && <p className="error">{error}</p>}
      </Form>
    </>
  );
}

function User({ user }: { user: string }) {
  return (
    <>
      <h2>Welcome</h2>
      <p data-user="">{user}</p>
      <p>
        <Link to="/sessions">Where you are signed in</Link>
      </p>
      <div className="actions">
        <Form method="post" data-form="logout">
          <button type="submit" name="intent" value="logout">
            Sign out
          </button>
        </Form>
        <Form method="post" data-form="logout-everywhere">
          <button type="submit" name="intent" value="logout-everywhere" className="quiet">
            Sign out everywhere
          </button>
        </Form>
      </div>
    </>
  );
}
