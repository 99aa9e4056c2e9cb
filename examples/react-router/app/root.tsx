import { session } from "coatcheck/react-router";
import type { ReactNode } from "react";
import { isRouteErrorResponse, Links, Meta, Outlet, Scripts, ScrollRestoration } from "react-router";
import type { Route } from "./+types/root";
import { sessions } from "./sessions.server";
import "./style.css";

// One session for all loaders and actions of a request. A page that polls does not keep its user signed in.
export const middleware: Route.MiddlewareFunction[] = [
  session(sessions, { extend: ({ url }) => url.pathname !== "/poll" }),
];

export const links: Route.LinksFunction = () => [
  {
    rel: "icon",
    href: "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 100 100'><text y='.9em' font-size='90'>🧥</text></svg>",
  },
];

export const meta: Route.MetaFunction = () => [{ title: "The Coat Shop" }];

export function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <head>
        <meta charSet="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <Meta />
        <Links />
      </head>
      <body>
        <main>
          <header className="top">
            <h1>The Coat Shop</h1>
            <p className="made-with">coatcheck on React Router</p>
          </header>
          {children}
        </main>
        <ScrollRestoration />
        <Scripts />
      </body>
    </html>
  );
}

export default function App() {
  return <Outlet />;
}

// Also for a session that can't be opened or saved: with status 503 while the store is down.
export function ErrorBoundary({ error }: Route.ErrorBoundaryProps) {
  return (
    <section className="card">
      <h2>{isRouteErrorResponse(error) ? error.status : "Something went wrong"}</h2>
      <p className="error">{isRouteErrorResponse(error) ? String(error.data) : "Please try again."}</p>
    </section>
  );
}
