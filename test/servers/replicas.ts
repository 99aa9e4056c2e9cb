// Starts pairs of SQL servers: a primary, and a replica that can take its role.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type MariadbServer, startMariadb } from "./mariadb.ts";
import { makePostgresData, type PostgresServer, servePostgres, startPostgres } from "./postgres.ts";
import { run, waitFor } from "./process.ts";

export interface ReplicatedPair {
  /** The URL of the present primary. */
  readonly url: string;
  /** The port of the present primary. */
  readonly port: number;
  /**
   * Swaps the roles, when the replica has everything. The former primary stays reachable: it answers reads, refuses writes
   * and follows the new one.
   */
  swap(): Promise<void>;
  stop(): Promise<unknown>;
}

/** PostgreSQL closes the connections of a primary that becomes a standby. It takes others a moment later. */
export async function startPostgresPair(): Promise<ReplicatedPair> {
  const first = await startPostgres();
  const access = ["-h", "127.0.0.1", "-p", String(first.port), "-U", "postgres"];
  const data = await makePostgresData("pg_basebackup", [...access, "-X", "stream", "-c", "fast", "--no-sync"]);
  await follow(data, first);
  const second = await servePostgres(data);
  let [primary, standby] = [first, second];
  const ask = (server: PostgresServer, text: string) => run("psql", ["-XAtq", "-d", server.url, "-c", text]);
  const isFollowing = async () => (await ask(primary, "SELECT count(*) FROM pg_stat_replication")).trim() === "1";
  await waitFor("replication", isFollowing);
  return {
    get url() {
      return primary.url;
    },
    get port() {
      return primary.port;
    },
    async swap() {
      // It stops when the standby has everything.
      await primary.stop();
      await ask(standby, "SELECT pg_promote()");
      [primary, standby] = [standby, primary];
      await follow(standby.data, primary);
      await standby.start();
      await waitFor("replication", isFollowing);
    },
    stop: () => Promise.all([first.stop(), second.stop()]),
  };
}

/** Makes the server with these data a standby of another one. */
async function follow(data: string, { port }: PostgresServer): Promise<void> {
  writeFileSync(join(data, "standby.signal"), "");
  const source = `primary_conninfo = 'host=127.0.0.1 port=${port} user=postgres'\n`;
  writeFileSync(join(data, "postgresql.auto.conf"), source);
}

/** The user `shop` may use the database `test`, and is refused by a read-only server, unlike `root`. */
export async function startMariadbPair(): Promise<ReplicatedPair> {
  const start = (id: number) =>
    startMariadb({ "server-id": String(id), "log-bin": "changes", "log-slave-updates": "1", "gtid-strict-mode": "1" });
  const [first, second] = await Promise.all([start(1), start(2)]);
  const ask = ({ port }: MariadbServer, text: string) =>
    run("mariadb", ["--no-defaults", "--protocol=tcp", "-h127.0.0.1", `-P${port}`, "-uroot", "-N", "-e", text]);
  const follow = (server: MariadbServer, { port }: MariadbServer, more = "") =>
    ask(
      server,
      `CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = ${port}, MASTER_USER = 'root',
         MASTER_CONNECT_RETRY = 1, MASTER_USE_GTID = slave_pos${more};
       START SLAVE`,
    );
  for (const server of [first, second]) await ask(server, "RESET MASTER");
  await ask(second, "SET GLOBAL read_only = 1");
  await follow(second, first);
  await ask(first, "CREATE USER shop; GRANT ALL ON test.* TO shop");
  let [primary, replica] = [first, second];
  const catchUp = async () => {
    const position = (await ask(primary, "SELECT @@gtid_binlog_pos")).trim();
    const waited = await ask(replica, `SELECT MASTER_GTID_WAIT('${position}', 20)`);
    if (waited.trim() !== "0") throw new Error(`the replica has not reached ${position}`);
  };
  await catchUp();
  return {
    get url() {
      return primary.url.replace("root@", "shop@");
    },
    get port() {
      return primary.port;
    },
    async swap() {
      // It answers when the writes under way are committed or refused.
      await ask(primary, "SET GLOBAL read_only = 1");
      await catchUp();
      await ask(replica, "STOP SLAVE; RESET SLAVE ALL; SET GLOBAL read_only = 0");
      [primary, replica] = [replica, primary];
      await follow(replica, primary, ", MASTER_DEMOTE_TO_SLAVE = 1");
      await catchUp();
    },
    stop: () => Promise.all([first.stop(), second.stop()]),
  };
}
