// The driver of Astro's own sessions.

import { sessionDriver } from "coatcheck/astro";
import { memory } from "coatcheck/memory";
import { redis } from "coatcheck/redis";

const { REDIS_URL } = process.env;

export default sessionDriver({
  store: REDIS_URL ? redis({ url: REDIS_URL, prefix: "astro:" }) : memory(),
  secret: "a secret for the tests of the driver",
});
