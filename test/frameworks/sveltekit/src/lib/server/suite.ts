// The suite's sessions.

import { createSessions, type Session } from "coatcheck";
import { memory } from "coatcheck/memory";
import { redis } from "coatcheck/redis";
import { type AdminData, createKit, type Data } from "./suite-app";

const { REDIS_URL } = process.env;

export const kit = createKit(createSessions as never, () => (REDIS_URL ? redis({ url: REDIS_URL }) : memory()));

/** The users' session. The shop's data has other keys. */
export const userOf = (locals: App.Locals) => locals.session as unknown as Session<Data>;
export const adminOf = (locals: App.Locals) => (locals as unknown as { admin: Session<AdminData> }).admin;
