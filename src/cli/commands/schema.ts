// coatcheck schema: the SQL that makes a store's table.

import { type Command, Option } from "commander";
import type { Output } from "../output.ts";

const SCHEMAS: Record<string, (options: { table?: string; schema?: string }) => Promise<string>> = {
  postgres: async (options) => (await import("../../stores/postgres/index.ts")).schema(options),
  mysql: async (options) => (await import("../../stores/mysql/index.ts")).schema(options),
  mssql: async (options) => (await import("../../stores/mssql/index.ts")).schema(options),
  sqlite: async ({ table }) =>
    (await import("../../stores/sqlite/index.ts")).schema(table === undefined ? {} : { table }),
};

export function addSchema(program: Command, output: Output): void {
  const names = Object.keys(SCHEMAS);
  const command = program
    .command("schema")
    .description("print the statements that create the table of an SQL store")
    .addOption(new Option("-d, --database <name>", "the kind of database").choices(names).makeOptionMandatory())
    .option("--table <name>", "the table's name")
    .option("--schema <name>", "the schema that holds the table");
  command.action(async ({ database, ...options }: { database: string; table?: string; schema?: string }) => {
    output.line((await SCHEMAS[database]!(options)).trim());
  });
}
