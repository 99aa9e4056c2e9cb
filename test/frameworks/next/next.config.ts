import type { NextConfig } from "next";

const config: NextConfig = {
  cacheComponents: true,
  partialPrefetching: true,
  experimental: { authInterrupts: true },
};

export default config;
