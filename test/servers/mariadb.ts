// Starts MariaDB.
import { join } from "node:path";
import { ownedDir, serverUser } from "./postgres.ts";
import { freePort, launch, run, type ServerProcess } from "./process.ts";

/** A MariaDB server with temporary data, the user `root` without password, and the database `test`. */
export interface MariadbServer extends ServerProcess {
  readonly url: string;
  readonly port: number;
}

/** Starts MariaDB on a free loopback port. `settings` are mariadbd's, such as `{ "sql-mode": "" }`. */
export async function startMariadb(settings: Record<string, string> = {}): Promise<MariadbServer> {
  const user = serverUser("mysql");
  const dir = ownedDir("mariadb", user);
  const data = join(dir, "data");
  // A separate directory: a starting server removes the files of others from a shared one.
  const tmpdir = `--tmpdir=${dir}`;
  await run(
    "mariadb-install-db",
    ["--no-defaults", `--datadir=${data}`, tmpdir, "--auth-root-authentication-method=normal", "--skip-test-db"],
    { ...user, cwd: dir },
  );
  const port = await freePort();
  const all = {
    datadir: data,
    socket: join(dir, "socket"),
    "pid-file": join(dir, "pid"),
    "bind-address": "127.0.0.1",
    port: String(port),
    "innodb-flush-log-at-trx-commit": "0",
    "innodb-buffer-pool-size": "32M",
    "innodb-log-file-size": "16M",
    "skip-name-resolve": "1",
    ...settings,
  };
  const client = ["--no-defaults", "--protocol=tcp", "-h127.0.0.1", `-P${port}`, "-uroot"];
  const server = await launch({
    name: `mariadbd on port ${port}`,
    command: "/usr/sbin/mariadbd",
    args: ["--no-defaults", tmpdir, ...Object.entries(all).map(([name, value]) => `--${name}=${value}`)],
    cwd: dir,
    ...user,
    ready: () => run("mariadb-admin", [...client, "ping"]).then(() => true),
  });
  await run("mariadb", [...client, "-e", "CREATE DATABASE test"]);
  return Object.assign(server, { port, url: `mysql://root@127.0.0.1:${port}/test` });
}
