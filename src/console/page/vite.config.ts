// How Vite builds the console's page: every address is relative, so that it works under any path.

import { defineConfig } from "vite";

export default defineConfig({
  root: import.meta.dirname,
  base: "./",
  logLevel: "warn",
  build: {
    // scripts/console-page.ts writes it.
    write: false,
    // The Content-Security-Policy allows no inline script, and every browser knows the preload of modules.
    modulePreload: { polyfill: false },
  },
});
