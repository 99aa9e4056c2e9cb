// Starts Azurite, the emulator of Azure Table storage.
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { freePort, launch, type ServerProcess, tempDir } from "./process.ts";

/** Azurite's table service with temporary data, which survives `stop` and `start`, but not always `kill`. */
export interface AzuriteServer extends ServerProcess {
  readonly port: number;
  readonly account: string;
  readonly accountKey: string;
  /** Includes the account's name, as every URL of the emulator does. */
  readonly endpoint: string;
  readonly connectionString: string;
}

/** Starts only the table service, on a free loopback port. */
export async function startAzurite(): Promise<AzuriteServer> {
  const port = await freePort();
  const service = join(
    dirname(createRequire(import.meta.url).resolve("azurite/package.json")),
    "dist/src/table/main.js",
  );
  const server = await launch({
    name: `Azurite's table service on port ${port}`,
    command: process.execPath,
    args: [
      service,
      ...["--location", tempDir("azurite"), "--tableHost", "127.0.0.1", "--tablePort", String(port)],
      ...["--silent", "--disableTelemetry", "--skipApiVersionCheck"],
    ],
    // On this signal it writes its data to disk before it exits.
    stopSignal: "SIGINT",
    ready: () => fetch(`http://127.0.0.1:${port}/`).then(() => true),
  });
  const endpoint = `http://127.0.0.1:${port}/${ACCOUNT}`;
  return Object.assign(server, {
    port,
    account: ACCOUNT,
    accountKey: KEY,
    endpoint,
    connectionString: `DefaultEndpointsProtocol=http;AccountName=${ACCOUNT};AccountKey=${KEY};TableEndpoint=${endpoint};`,
  });
}

// The emulator's public account, which its documentation names.
const ACCOUNT = "devstoreaccount1";
const KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
