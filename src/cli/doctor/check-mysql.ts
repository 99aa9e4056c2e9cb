// Whether a MySQL or MariaDB server and the table of the sessions are set up well.

import { missingIndex, missingTable, unswept } from "./check-postgres.ts";
import { type Finding, ok, problem, warning } from "./finding.ts";
import { isLoopback } from "./hosts.ts";

/** What the checks need of a connection of `mysql2/promise`. */
interface Connection {
  query(sql: string, values?: unknown[]): Promise<[Record<string, unknown>[], unknown]>;
  end(): Promise<void>;
}

const UNSWEPT_MS = 600_000;
const MANY_UNSWEPT = 1_000;
const MIB = 1024 * 1024;
const LEAST_PACKET = 4 * MIB;
/** InnoDB takes room in steps of 4 MiB, so a little of it is always empty. */
const MUCH_FREE = 16 * MIB;

export async function checkMysql(url: string, table = "coatcheck_sessions", schema?: string): Promise<Finding[]> {
  const mysql = (await import("mysql2/promise")) as unknown as { createConnection(url: string): Promise<Connection> };
  const connection = await mysql.createConnection(url.replace(/^mariadb:/, "mysql:"));
  try {
    const rows = async (sql: string, values?: unknown[]) => (await connection.query(sql, values))[0];
    const one = async (sql: string, values?: unknown[]) => (await rows(sql, values))[0] ?? {};
    const where = "TABLE_SCHEMA = COALESCE(?, DATABASE()) AND TABLE_NAME = ?";
    const place = [schema ?? null, table];
    const name = schema === undefined ? table : `${schema}.${table}`;
    const { engine, free, used } = await one(
      `SELECT ENGINE AS engine, DATA_FREE AS free, DATA_LENGTH + INDEX_LENGTH AS used FROM information_schema.TABLES WHERE ${where}`,
      place,
    );
    if (engine === undefined) return [missingTable(name)];
    const findings: Finding[] = [ok("mysql-table", `the table ${name} is there`)];
    if (String(engine).toLowerCase() !== "innodb") {
      findings.push(
        problem(
          "mysql-engine",
          `the table's engine is ${engine}`,
          "It locks the whole table for each write, and may lose sessions in a crash.",
          `ALTER TABLE ${name} ENGINE = InnoDB;`,
        ),
      );
    }
    if (Number(free) > MUCH_FREE && Number(free) > Number(used)) {
      findings.push(
        warning(
          "mysql-bloat",
          `${Math.round(Number(free) / MIB)} MiB of the table's file are empty`,
          "The file is larger than it has to be, and so is every backup.",
          `OPTIMIZE TABLE ${name};`,
        ),
      );
    }
    const indexes = await rows(
      `SELECT COLUMN_NAME AS name FROM information_schema.STATISTICS WHERE ${where} AND SEQ_IN_INDEX = 1`,
      place,
    );
    for (const column of ["key", "expires_at", "owner"]) {
      if (!indexes.some(({ name }) => name === column)) findings.push(missingIndex("mysql", name, column));
    }
    const { packet, readonly } = await one("SELECT @@max_allowed_packet AS packet, @@read_only AS readonly");
    if (Number(packet) < LEAST_PACKET) {
      findings.push(
        warning(
          "mysql-packet",
          `max_allowed_packet is ${packet} bytes`,
          "A large session, or many that are written together, are refused.",
          "SET GLOBAL max_allowed_packet = 16777216;",
        ),
      );
    }
    if (Number(readonly) !== 0) {
      findings.push(
        problem(
          "mysql-read-only",
          "the server is set to read only",
          "Nobody can log in.",
          "Give the address of the primary, or SET GLOBAL read_only = 0.",
        ),
      );
    }
    const quote = (text: string) => `\`${text.replaceAll("`", "``")}\``;
    const quotedName = schema === undefined ? quote(table) : `${quote(schema)}.${quote(table)}`;
    const { expired } = await one(
      `SELECT COUNT(*) AS expired FROM ${quotedName} WHERE expires_at < UNIX_TIMESTAMP(NOW(3)) * 1000 - ?`,
      [UNSWEPT_MS],
    );
    if (Number(expired) > MANY_UNSWEPT) findings.push(unswept("mysql", Number(expired)));
    if (!isLoopback(new URL(url).hostname)) {
      const { Value: cipher } = await one("SHOW SESSION STATUS LIKE 'Ssl_cipher'");
      if (!cipher) {
        findings.push(
          warning(
            "mysql-tls",
            "the connection has no TLS",
            "The password, and when which session is used, can be read on the way.",
            "Set connection: { ssl: {} }.",
          ),
        );
      }
    }
    return findings;
  } finally {
    await connection.end();
  }
}
