import { createFileRoute, Link } from "@tanstack/react-router";
import { goods } from "../goods";
import { add, getShop, login, logout, logoutEverywhere } from "../shop.functions";

export const Route = createFileRoute("/")({
  validateSearch: ({ error }: Record<string, unknown>): { error?: string } => (error ? { error: String(error) } : {}),
  loader: () => getShop(),
  component: Shop,
});

function Shop() {
  const { user, cart } = Route.useLoaderData();
  const items = Object.entries(cart);
  return (
    <>
      <div className="cards">
        <section className="card">{user === undefined ? <Login /> : <SignedIn user={user} />}</section>
        <section className="card">
          <h2>Your cart</h2>
          {items.length === 0 && <p className="empty">Nothing yet. It stays while you sign in.</p>}
          <ul className="list">
            {items.map(([item, count]) => (
              <li key={item} data-cart-item={item} data-count={count}>
                <span className="name">{item}</span> × {count}
              </li>
            ))}
          </ul>
        </section>
      </div>
      <section className="card">
        <h2>Goods</h2>
        <ul className="goods">
          {goods.map(({ item, name, icon }) => (
            <li key={item}>
              <span className="icon">{icon}</span>
              <span className="name">{name}</span>
              <form method="post" action={add.url} data-form="add" data-item={item}>
                <button type="submit" name="item" value={item}>
                  Add
                </button>
              </form>
            </li>
          ))}
        </ul>
      </section>
    </>
  );
}

function Login() {
  const { error } = Route.useSearch();
  return (
    <>
      <h2>Sign in</h2>
      <form method="post" action={login.url} data-form="login">
        <label htmlFor="user">Any name will do</label>
        <input id="user" name="user" autoComplete="username" />
        <button type="submit">Sign in</button>
        {error && <p className="error">Please enter a name.</p>}
      </form>
    </>
  );
}

function SignedIn({ user }: { user: string }) {
  return (
    <>
      <h2>Welcome</h2>
      <p data-user="">{user}</p>
      <p>
        <Link to="/sessions">Where you are signed in</Link>
      </p>
      <div className="actions">
        <form method="post" action={logout.url} data-form="logout">
          <button type="submit">Sign out</button>
        </form>
        <form method="post" action={logoutEverywhere.url} data-form="logout-everywhere">
          <button type="submit" className="quiet">
            Sign out everywhere
          </button>
        </form>
      </div>
    </>
  );
}
