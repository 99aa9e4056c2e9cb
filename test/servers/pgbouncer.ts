// Starts PgBouncer before a PostgreSQL server.
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { ownedDir, type PostgresServer, serverUser } from "./postgres.ts";
import { freePort, launch, type ServerProcess } from "./process.ts";

export interface PgbouncerServer extends ServerProcess {
  readonly url: string;
}

/** Shares connections out by transactions, or by sessions. */
export async function startPgbouncer(
  server: PostgresServer,
  mode: "transaction" | "session" = "transaction",
): Promise<PgbouncerServer> {
  const port = await freePort();
  const user = serverUser("postgres");
  const dir = ownedDir("pgbouncer", user);
  const file = join(dir, "pgbouncer.ini");
  writeFileSync(
    file,
    [
      "[databases]",
      `postgres = host=127.0.0.1 port=${server.port} dbname=postgres user=postgres`,
      "[pgbouncer]",
      "listen_addr = 127.0.0.1",
      `listen_port = ${port}`,
      "unix_socket_dir =",
      "auth_type = any",
      `pool_mode = ${mode}`,
      "ignore_startup_parameters = extra_float_digits,options",
      "",
    ].join("\n"),
  );
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const process = await launch({
    name: `pgbouncer on port ${port}`,
    // Debian puts it where only root's PATH leads.
    command: existsSync("/usr/sbin/pgbouncer") ? "/usr/sbin/pgbouncer" : "pgbouncer",
    args: [file],
    cwd: "/",
    ...user,
    stopSignal: "SIGINT",
    async ready() {
      const client = new pg.Client({ connectionString: url });
      client.on("error", () => {});
      await client.connect();
      await client.end();
      return true;
    },
  });
  return Object.assign(process, { url });
}
