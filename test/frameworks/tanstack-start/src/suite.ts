// The suite's sessions.

import { createSessions } from "coatcheck";
import { memory } from "coatcheck/memory";
import { redis } from "coatcheck/redis";
import { createKit } from "./suite-app";

const { REDIS_URL } = process.env;

export const kit = createKit(createSessions as never, () => (REDIS_URL ? redis({ url: REDIS_URL }) : memory()));
