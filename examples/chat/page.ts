// The chat's only page.

export function chatPage(user: string | undefined, error?: string): string {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>The Cloakroom Chat</title>
    <link rel="icon" href="data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 100 100'><text y='.9em' font-size='90'>🧥</text></svg>">
    <link rel="stylesheet" href="/style.css">
    ${user === undefined ? "" : '<script type="module" src="/chat.js"></script>'}
  </head>
  <body>
    <main>
      <header class="top"><h1>The Cloakroom Chat</h1><p class="made-with">sessions by coatcheck</p></header>
      <section class="card">${user === undefined ? login(error) : room(user)}</section>
    </main>
  </body>
</html>
`;
}

function login(error: string | undefined): string {
  return `
        <h2>Sign in</h2>
        <form method="post" action="/login" data-form="login">
          <label for="user">Any name will do</label>
          <input id="user" name="user" autocomplete="username"><button>Sign in</button>
          ${error === undefined ? "" : `<p class="error">${escaped(error)}</p>`}
        </form>`;
}

function room(user: string): string {
  return `
        <h2 data-user>${escaped(user)}</h2>
        <p class="empty" data-state>Connecting …</p>
        <ul class="list" id="messages" aria-live="polite"></ul>
        <form id="say">
          <label for="text">Say something</label>
          <input id="text" autocomplete="off" maxlength="500"><button>Send</button>
        </form>
        <div class="actions">
          <form method="post" action="/logout" data-form="logout"><button class="quiet">Sign out</button></form>
          <form method="post" action="/logout-everywhere" data-form="logout-everywhere">
            <button class="quiet">Sign out everywhere</button>
          </form>
        </div>`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
