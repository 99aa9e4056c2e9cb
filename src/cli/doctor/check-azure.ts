// Whether Azure Table storage, Cosmos DB and SQL Server are set up well, as far as their options and tables tell.

import { createConnector } from "../../stores/azure-table/client.ts";
import type { AzureTableOptions } from "../../stores/azure-table/options.ts";
import type { CosmosOptions } from "../../stores/cosmos/options.ts";
import type { MssqlOptions } from "../../stores/mssql/options.ts";
import { unswept } from "./check-postgres.ts";
import { type Finding, problem, warning } from "./finding.ts";
import { isLoopback } from "./hosts.ts";

const DAY_MS = 86_400_000;
const SOON_MS = 14 * DAY_MS;
const UNSWEPT_MS = 600_000;
const MANY_UNSWEPT = 1_000;
const CALL_MS = 10_000;
/** What the store does with an entity: read, add, update, delete. */
const RIGHTS = ["r", "a", "u", "d"];

export async function checkAzureTable(options: AzureTableOptions): Promise<Finding[]> {
  const { endpoint, connectionString, sasToken } = options;
  const findings = checkTransport(
    "azure-table",
    endpoint ?? /TableEndpoint=([^;]+)/i.exec(connectionString ?? "")?.[1],
  );
  const signature = sasToken ?? /SharedAccessSignature=([^;]+)/i.exec(connectionString ?? "")?.[1];
  if (signature !== undefined) findings.push(...checkSignature(new URLSearchParams(signature.replace(/^\?/, ""))));
  const { client } = await createConnector(options, CALL_MS)();
  const queryOptions = { filter: `expiresAt le ${Date.now() - UNSWEPT_MS}L`, select: ["PartitionKey"] };
  const abortSignal = AbortSignal.timeout(CALL_MS);
  let expired = 0;
  for await (const page of client.listEntities({ queryOptions, abortSignal }).byPage({ maxPageSize: MANY_UNSWEPT })) {
    expired += page.length;
    if (expired > MANY_UNSWEPT) break;
  }
  if (expired > MANY_UNSWEPT) findings.push(unswept("azure-table", expired));
  return findings;
}

/** What a shared access signature allows, and until when. */
function checkSignature(signature: URLSearchParams): Finding[] {
  const findings: Finding[] = [];
  const end = Date.parse(signature.get("se") ?? "");
  const fix = "Make a new one in the portal, or give the servers an identity: leave out sasToken.";
  if (end - Date.now() < SOON_MS) {
    findings.push(
      warning(
        "azure-table-signature",
        `the shared access signature ends ${new Date(end).toISOString().slice(0, 10)}`,
        "From then on every request with a session is answered 503.",
        fix,
      ),
    );
  }
  const rights = signature.get("sp");
  const missing = RIGHTS.filter((right) => rights !== null && !rights.includes(right));
  if (missing.length > 0) {
    findings.push(
      problem(
        "azure-table-rights",
        `the shared access signature lacks the rights ${missing.join(", ")}`,
        "The store reads, adds, updates and deletes entities.",
        fix,
      ),
    );
  }
  return findings;
}

export function checkCosmos({ endpoint, connectionString, consistencyLevel }: CosmosOptions): Finding[] {
  const findings = checkTransport("cosmos", endpoint ?? /AccountEndpoint=([^;]+)/i.exec(connectionString ?? "")?.[1]);
  if (consistencyLevel === "ConsistentPrefix" || consistencyLevel === "Eventual") {
    findings.push(
      warning(
        "cosmos-consistency",
        `consistencyLevel is ${consistencyLevel}`,
        "A request may read its session as it was before the user's last one: a login that is not there yet.",
        'Leave it out, or use "BoundedStaleness" or "Strong" on the account and here.',
      ),
    );
  }
  return findings;
}

export function checkMssql({ connectionString = "", server }: MssqlOptions): Finding[] {
  const value = (names: string) =>
    new RegExp(`(?:^|;)\\s*(?:${names})\\s*=\\s*([^;]*)`, "i").exec(connectionString)?.[1]?.trim() ?? "";
  const host = (server ?? value("server|data source")).replace(/^tcp:/i, "").replace(/[,\\].*$/, "");
  if (isLoopback(host) || host === ".") return [];
  const findings: Finding[] = [];
  if (/^(false|no|optional)$/i.test(value("encrypt"))) {
    findings.push(
      problem(
        "mssql-tls",
        "the connection has no TLS: Encrypt is false",
        "The password, and when which session is used, can be read on the way.",
        "Leave out Encrypt, or set Encrypt=True.",
      ),
    );
  }
  if (/^(true|yes)$/i.test(value("trustservercertificate|trust server certificate"))) {
    findings.push(
      warning(
        "mssql-certificate",
        "the server's certificate is not checked: TrustServerCertificate is true",
        "Whoever is between can read and change everything.",
        "Install a certificate that this machine trusts, and leave out TrustServerCertificate.",
      ),
    );
  }
  return findings;
}

function checkTransport(check: string, endpoint: string | undefined): Finding[] {
  const url = endpoint === undefined ? null : URL.parse(endpoint);
  if (url === null || url.protocol === "https:" || isLoopback(url.hostname)) return [];
  return [
    problem(
      `${check}-tls`,
      `the endpoint is ${url.origin}, without TLS`,
      "The key, and when which session is used, can be read on the way.",
      "Use https:// in the endpoint.",
    ),
  ];
}
