// One build for each variant: what a request's session is.
import { fileURLToPath } from "node:url";
import node from "@astrojs/node";
import { defineConfig, sessionDrivers } from "astro/config";

const variant = process.env.BENCH_VARIANT!;

export default defineConfig({
  output: "server",
  outDir: `dist/${variant}`,
  adapter: node({ mode: "middleware" }),
  session: variant === "own" ? { driver: sessionDrivers.memory(), cookie: { secure: false } } : false,
  vite: {
    resolve: { alias: { "#variant": fileURLToPath(new URL(`src/variants/${variant}.ts`, import.meta.url)) } },
  },
});
