// How Vite builds the console's page: every address is relative, so it works under any path.

import { defineConfig } from "vite";

export default defineConfig({
  root: import.meta.dirname,
  base: "./",
  logLevel: "warn",
  build: {
    outDir: "../../../dist/console",
    emptyOutDir: true,
    // The Content-Security-Policy allows no inline script, and the preload of modules is in every browser.
    modulePreload: { polyfill: false },
  },
});
