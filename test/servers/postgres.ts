// Starts PostgreSQL.
import { execFileSync } from "node:child_process";
import { chownSync, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { freePort, launch, run, type ServerProcess, tempDir } from "./process.ts";

/** A PostgreSQL server with temporary data and the user `postgres` without password. */
export interface PostgresServer extends ServerProcess {
  readonly url: string;
  readonly port: number;
  /** The directory of its data. */
  readonly data: string;
}

/** Starts PostgreSQL on a free loopback port. `settings` are lines of postgresql.conf, such as `{ fsync: "on" }`. */
export async function startPostgres(settings: Record<string, string> = {}): Promise<PostgresServer> {
  const args = ["-U", "postgres", "--auth=trust", "--no-sync", "--no-locale", "--encoding=UTF8", "--no-instructions"];
  const data = await makePostgresData("initdb", args);
  return servePostgres(data, settings);
}

/** Makes the data of a server by one of PostgreSQL's programs. Resolves with the directory. */
export async function makePostgresData(program: string, args: string[]): Promise<string> {
  const user = serverUser("postgres");
  const data = join(ownedDir("postgres", user), "data");
  await run(join(binaries(), program), ["-D", data, ...args], { ...user, cwd: "/" });
  return data;
}

/** Starts PostgreSQL with these data. */
export async function servePostgres(data: string, settings: Record<string, string> = {}): Promise<PostgresServer> {
  const bin = binaries();
  const user = serverUser("postgres");
  const port = await freePort();
  const all = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: "",
    fsync: "off",
    full_page_writes: "off",
    max_connections: "100",
    shared_buffers: "32MB",
    ...settings,
  };
  const server = await launch({
    name: `postgres on port ${port}`,
    command: join(bin, "postgres"),
    args: ["-D", data, ...Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
    cwd: "/",
    ...user,
    // Fast shutdown: SIGTERM would wait for the clients to leave.
    stopSignal: "SIGINT",
    ready: () => run(join(bin, "pg_isready"), ["-q", "-h", "127.0.0.1", "-p", String(port)]).then(() => true),
  });
  return Object.assign(server, { port, data, url: `postgres://postgres@127.0.0.1:${port}/postgres` });
}

function binaries(): string {
  const root = "/usr/lib/postgresql";
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
  const found = versions.map((version) => join(root, version, "bin")).find((bin) => existsSync(join(bin, "initdb")));
  if (found === undefined) throw new Error('PostgreSQL is missing: "npm run servers" installs the servers');
  return found;
}

/** The account for a server that refuses to run as root. Undefined if this process is not root. */
export function serverUser(name: string): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string) => Number(execFileSync("id", [flag, name], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

/** A temporary directory that belongs to this account. */
export function ownedDir(name: string, user: { uid: number; gid: number } | undefined): string {
  const dir = tempDir(name);
  if (user) chownSync(dir, user.uid, user.gid);
  return dir;
}
