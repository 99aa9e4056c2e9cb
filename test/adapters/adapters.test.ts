// The behaviour that every adapter has, with three stores.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { createSessions, type SessionStore } from "../../src/index.ts";
import { file } from "../../src/stores/file/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { redis } from "../../src/stores/redis/index.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";
import { exceptions, frameworks } from "./apps.ts";
import { adapterSuite } from "./suite.ts";
import { createKit, route, suiteOptions } from "./suite-app.ts";

let server: RedisServer;
const folder = mkdtempSync(join(tmpdir(), "coatcheck-adapters-"));
before(async () => {
  server = await startRedis();
});
after(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

const stores: Record<string, () => SessionStore> = {
  memory: () => memory(),
  file: () => file({ path: join(folder, "sessions") }),
  redis: () => redis({ url: server.url }),
};

for (const [storeName, makeStore] of Object.entries(stores)) {
  for (const [frameworkName, serve] of Object.entries(frameworks)) {
    const start = async () => {
      const { users, admins, calls } = createKit(createSessions, makeStore);
      const app = await serve(users, route, { admins, ...suiteOptions });
      return {
        url: app.url,
        calls,
        async close() {
          await app.close();
          await users.close();
          await admins.close();
        },
      };
    };
    adapterSuite(`${frameworkName} with ${storeName}`, start, exceptions[frameworkName]);
  }
}
