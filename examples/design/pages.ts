// The pages of the Coat Shop, for frameworks that send text. The same file is in every such example.

export interface Cart {
  [item: string]: number;
}

/** What the shop has. */
export const goods = [
  { item: "hat", name: "Hat", icon: "🎩" },
  { item: "coat", name: "Coat", icon: "🧥" },
  { item: "umbrella", name: "Umbrella", icon: "☂️" },
] as const;

/** True for the name of something that the shop has. */
export function isItem(item: unknown): item is string {
  return goods.some((one) => one.item === item);
}

/** The cart with one more of an item. */
export function withItem(cart: Cart | undefined, item: string): Cart {
  return { ...cart, [item]: (cart?.[item] ?? 0) + 1 };
}

export function shopPage({
  user,
  cart = {},
  error,
}: {
  user?: string | undefined;
  cart?: Cart | undefined;
  error?: string | undefined;
}): string {
  return page(`
    <div class="cards">
      <section class="card">${user === undefined ? login(error) : signedIn(user)}</section>
      <section class="card">
        <h2>Your cart</h2>
        ${cartList(cart)}
      </section>
    </div>
    <section class="card">
      <h2>Goods</h2>
      <ul class="goods">${goods
        .map(
          ({ item, name, icon }) => `
        <li>
          <span class="icon">${icon}</span><span class="name">${name}</span>
          <form method="post" action="/cart" data-form="add" data-item="${item}">
            <button name="item" value="${item}">Add</button>
          </form>
        </li>`,
        )
        .join("")}
      </ul>
    </section>`);
}

export interface OwnSession {
  id: string;
  createdAt?: number | undefined;
}

export function sessionsPage(sessions: OwnSession[], currentId: string): string {
  return page(`
    <section class="card">
      <h2>Where you are signed in</h2>
      <ul class="list">${sessions
        .map(
          ({ id, createdAt = 0 }) => `
        <li data-session="${id}"${id === currentId ? " data-current" : ""}>
          <span class="name">since ${new Date(createdAt).toISOString().slice(0, 16).replace("T", " ")}
            ${id === currentId ? '<span class="tag">this browser</span>' : ""}</span>
          <form method="post" action="/sessions/end" data-form="end">
            <input type="hidden" name="id" value="${id}"><button class="quiet">End</button>
          </form>
        </li>`,
        )
        .join("")}
      </ul>
      <p class="actions"><a href="/">Back to the shop</a></p>
    </section>`);
}

function login(error: string | undefined): string {
  return `<h2>Sign in</h2>
        <form method="post" action="/login" data-form="login">
          <label for="user">Any name will do</label>
          <input id="user" name="user" autocomplete="username"><button>Sign in</button>
          ${error === undefined ? "" : `<p class="error">${escaped(error)}</p>`}
        </form>`;
}

function signedIn(user: string): string {
  return `<h2>Welcome</h2>
        <p data-user>${escaped(user)}</p>
        <p><a href="/sessions">Where you are signed in</a></p>
        <div class="actions">
          <form method="post" action="/logout" data-form="logout"><button>Sign out</button></form>
          <form method="post" action="/logout-everywhere" data-form="logout-everywhere">
            <button class="quiet">Sign out everywhere</button>
          </form>
        </div>`;
}

function cartList(cart: Cart): string {
  const items = Object.entries(cart);
  if (items.length === 0) return '<p class="empty">Nothing yet. It stays while you sign in.</p>';
  return `<ul class="list">${items
    .map(
      ([item, count]) =>
        `<li data-cart-item="${escaped(item)}" data-count="${count}"><span class="name">${escaped(item)}</span> × ${count}</li>`,
    )
    .join("")}</ul>`;
}

function page(content: string): string {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>The Coat Shop</title>
    <link rel="icon" href="data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 100 100'><text y='.9em' font-size='90'>🧥</text></svg>">
    <link rel="stylesheet" href="/style.css">
  </head>
  <body>
    <main>
      <header class="top"><h1>The Coat Shop</h1><p class="made-with">sessions by coatcheck</p></header>${content}
    </main>
  </body>
</html>
`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
