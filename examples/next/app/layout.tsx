import type { Metadata } from "next";
import type { ReactNode } from "react";
import "./style.css";

const icon =
  "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 100 100'><text y='.9em' font-size='90'>🧥</text></svg>";
export const metadata: Metadata = { title: "The Coat Shop" };

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <head>
        {/* Metadata may stream in after the browser has asked for /favicon.ico. */}
        <link rel="icon" href={icon} />
      </head>
      <body>
        <main>
          <header className="top">
            <h1>The Coat Shop</h1>
            <p className="made-with">coatcheck on Next.js</p>
          </header>
          {children}
        </main>
      </body>
    </html>
  );
}
