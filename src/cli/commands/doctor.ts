// coatcheck doctor: looks for what is wrong, says why it matters and how to mend it.

import { hostname } from "node:os";
import type { Command } from "commander";
import { CoatcheckError, reasonOf } from "../../errors.ts";
import { CliError, USAGE_ERROR } from "../cli-error.ts";
import { checkAzureTable, checkCosmos, checkMssql } from "../doctor/check-azure.ts";
import { checkFile } from "../doctor/check-file.ts";
import { checkMysql } from "../doctor/check-mysql.ts";
import { checkPostgres } from "../doctor/check-postgres.ts";
import { checkRedis } from "../doctor/check-redis.ts";
import { checkServers } from "../doctor/check-servers.ts";
import { checkSettings } from "../doctor/check-settings.ts";
import { checkStore } from "../doctor/check-store.ts";
import { type Finding, problem, type Severity } from "../doctor/finding.ts";
import { counted, type Output } from "../output.ts";
import { addressOf, onTarget, type StoreAddress, type TargetFlags, withTarget } from "../target.ts";

interface Flags extends TargetFlags {
  site?: string;
  server: string;
  json?: boolean;
}

const MARKS: Record<Severity, string> = { error: "✗", warning: "!", ok: "✓" };
const COLOURS: Record<Severity, "red" | "yellow" | "green"> = { error: "red", warning: "yellow", ok: "green" };

export function addDoctor(program: Command, output: Output): void {
  withTarget(program.command("doctor"))
    .description("check settings, store and secrets, and say how to mend what is wrong")
    .option("--site <address>", "the address that browsers use, such as https://shop.example.com")
    .option("--server <name>", "what this server is called among the others", hostname())
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nThe exit code is 0 if there is no error. It makes sessions of its own, and removes them. What stays for 30 days is a note of this server's settings, by which doctor on other servers finds what differs.",
    )
    .action(async (flags: Flags) => {
      const findings = await examine(flags);
      output.exitCode = findings.some(({ severity }) => severity === "error") ? 1 : 0;
      if (flags.json) output.json(findings);
      else print(output, findings);
    });
}

async function examine(flags: Flags): Promise<Finding[]> {
  const site = siteOf(flags.site);
  try {
    return await onTarget(flags, async (target) => {
      const findings = [...checkSettings(target.options, site), ...(await checkStore(target))];
      const isReached = findings.some(({ check, severity }) => check === "reach" && severity === "ok");
      const address = await addressOf(flags);
      if (isReached) {
        findings.push(...(await checkServers(target, flags.server, address)), ...(await checkServer(address)));
      } else if (address?.type === "redis") {
        // A part of a Cluster may be away, or the sentinels: the others say so.
        findings.push(...(await checkServer(address).catch(() => [])));
      }
      return findings;
    });
  } catch (error) {
    // A configuration that can't be read is what doctor is asked about.
    if (!(error instanceof CoatcheckError)) throw error;
    return [
      problem(
        "configuration",
        reasonOf(error).replace(/^coatcheck: /, ""),
        "The application can't start with it.",
        /environment variable/.test(error.message)
          ? "Write the variable into a file .env beside the configuration, or set it. For a secret: npx coatcheck keygen"
          : "Mend it as the message says.",
      ),
    ];
  }
}

/** What only this kind of server can be asked. */
async function checkServer(address: StoreAddress | undefined): Promise<Finding[]> {
  if (address === undefined) return [];
  const { type, url, path, table, schema, options } = address;
  switch (type) {
    case "redis":
      return checkRedis(options);
    case "postgres":
      return url === undefined ? [] : checkPostgres(url, options);
    case "mysql":
      return url === undefined ? [] : checkMysql(url, table, schema);
    case "file":
    case "sqlite":
      return path === undefined ? [] : checkFile(path);
    case "azure-table":
      return checkAzureTable(options);
    case "cosmos":
      return checkCosmos(options);
    case "mssql":
      return checkMssql(options);
    default:
      return [];
  }
}

function siteOf(text: string | undefined): URL | undefined {
  if (text === undefined) return undefined;
  const site = URL.parse(text);
  if (site === null || !/^https?:$/.test(site.protocol)) {
    throw new CliError(`--site is "${text}": give an address such as https://shop.example.com.`, USAGE_ERROR);
  }
  return site;
}

function print(output: Output, findings: readonly Finding[]): void {
  for (const { severity, check, what, why, fix } of findings) {
    output.line(`${output.styled(COLOURS[severity], MARKS[severity])} ${output.styled("bold", check)}: ${what}`);
    if (why !== undefined) output.line(`    why: ${why}`);
    if (fix !== undefined) output.line(`    fix: ${fix}`);
  }
  const count = (wanted: Severity) => findings.filter(({ severity }) => severity === wanted).length;
  const [errors, warnings] = [count("error"), count("warning")];
  output.line();
  output.line(
    errors + warnings === 0 ? "All is well." : `${counted(errors, "error")}, ${counted(warnings, "warning")}.`,
  );
}
