// The users, in place of a database. Of a password only scrypt's hash is kept.

import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from "node:crypto";

export interface User {
  readonly id: string;
  readonly name: string;
  /** It changes with the password, so it is the security stamp of the user's sessions, too. */
  passwordHash: string;
}

// As OWASP recommends: 32 MiB and three rounds for each attempt.
const COST: ScryptOptions = { N: 2 ** 15, r: 8, p: 3, maxmem: 64 * 2 ** 20 };

const users = new Map<string, User>();
for (const name of ["Ann", "Ben", "Cleo"]) {
  const id = name.toLowerCase();
  users.set(id, { id, name, passwordHash: await hashOf("coat-check") });
}
/** A name that nobody has takes as long as a wrong password, so that time does not tell them apart. */
const nobody = await hashOf(randomBytes(16).toString("hex"));

/** The user with this name and password. An application also limits the attempts. */
export async function verify(name: string, password: string): Promise<User | undefined> {
  const user = users.get(name.trim().toLowerCase());
  const [salt, hash] = (user?.passwordHash ?? nobody).split(".").map((part) => Buffer.from(part, "base64url"));
  return timingSafeEqual(await derive(password, salt!), hash!) ? user : undefined;
}

export async function setPassword(id: string, password: string): Promise<User> {
  const user = users.get(id)!;
  user.passwordHash = await hashOf(password);
  return user;
}

export function nameOf(id: string): string {
  return users.get(id)?.name ?? id;
}

async function hashOf(password: string): Promise<string> {
  const salt = randomBytes(16);
  return `${salt.toString("base64url")}.${(await derive(password, salt)).toString("base64url")}`;
}

function derive(password: string, salt: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) =>
    scrypt(password.normalize(), salt, 32, COST, (error, key) => (error ? reject(error) : resolve(key))),
  );
}
