import Link from "next/link";
import { Suspense } from "react";
import { goods } from "../lib/goods";
import { session } from "../lib/sessions";
import { add, login, logout, logoutEverywhere } from "./actions";

// The goods are the same for everybody. What depends on the session streams in: both parts share one read of it.
export default function Shop({ searchParams }: PageProps<"/">) {
  return (
    <>
      <div className="cards">
        <section className="card">
          <Suspense fallback={<h2>Welcome</h2>}>
            <User searchParams={searchParams} />
          </Suspense>
        </section>
        <section className="card">
          <h2>Your cart</h2>
          <Suspense>
            <Cart />
          </Suspense>
        </section>
      </div>
      <section className="card">
        <h2>Goods</h2>
        <ul className="goods">
          {goods.map(({ item, name, icon }) => (
            <li key={item}>
              <span className="icon">{icon}</span>
              <span className="name">{name}</span>
              <form action={add} data-form="add" data-item={item}>
                <input type="hidden" name="item" value={item} />
                <button type="submit">Add</button>
              </form>
            </li>
          ))}
        </ul>
      </section>
    </>
  );
}

async function User({ searchParams }: Pick<PageProps<"/">, "searchParams">) {
  const { user } = (await session()).data;
  const { error } = await searchParams;
  if (user === undefined) {
    return (
      <>
        <h2>Sign in</h2>
        <form action={login} data-form="login">
          <label htmlFor="user">Any name will do</label>
          <input id="user" name="user" autoComplete="username" />
          <button type="submit">Sign in</button>
          {error && <p className="error">Please enter a name.</p>}
        </form>
      </>
    );
  }
  return (
    <>
      <h2>Welcome</h2>
      <p data-user="">{user}</p>
      <p>
        <Link href="/sessions">Where you are signed in</Link>
      </p>
      <div className="actions">
        <form action={logout} data-form="logout">
          <button type="submit">Sign out</button>
        </form>
        <form action={logoutEverywhere} data-form="logout-everywhere">
          <button type="submit" className="quiet">
            Sign out everywhere
          </button>
        </form>
      </div>
    </>
  );
}

async function Cart() {
  const items = Object.entries((await session()).data.cart);
  if (items.length === 0) return <p className="empty">Nothing yet. It stays while you sign in.</p>;
  return (
    <ul className="list">
      {items.map(([item, count]) => (
        <li key={item} data-cart-item={item} data-count={count}>
          <span className="name">{item}</span> × {count}
        </li>
      ))}
    </ul>
  );
}
