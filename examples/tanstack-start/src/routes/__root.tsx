import { createRootRoute, HeadContent, Outlet, Scripts } from "@tanstack/react-router";
import style from "../style.css?url";

export const Route = createRootRoute({
  head: () => ({
    meta: [
      { charSet: "utf-8" },
      { name: "viewport", content: "width=device-width, initial-scale=1" },
      { title: "The Coat Shop" },
    ],
    links: [
      { rel: "stylesheet", href: style },
      {
        rel: "icon",
        href: "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 100 100'><text y='.9em' font-size='90'>🧥</text></svg>",
      },
    ],
  }),
  component: Root,
});

function Root() {
  return (
    <html lang="en">
      <head>
        <HeadContent />
      </head>
      <body>
        <main>
          <header className="top">
            <h1>The Coat Shop</h1>
            <p className="made-with">coatcheck on TanStack Start</p>
          </header>
          <Outlet />
        </main>
        <Scripts />
      </body>
    </html>
  );
}
