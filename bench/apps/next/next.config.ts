// The application imports the contenders and the library's sources, so its root is the repository's.
import { fileURLToPath } from "node:url";
import type { NextConfig } from "next";

const config: NextConfig = {
  turbopack: { root: fileURLToPath(new URL("../../..", import.meta.url)) },
  // A process answers with one kind of session, and loads no other.
  experimental: { preloadEntriesOnStart: false },
  typescript: { ignoreBuildErrors: true },
};

export default config;
