import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { freePort, launch, type ServerProcess, tempDir } from "./process.ts";

/** Azurite's table service with throw-away data. It keeps them over `stop` and `start`, and may lose them on `kill`. */
export interface AzuriteServer extends ServerProcess {
  readonly port: number;
  readonly account: string;
  readonly accountKey: string;
  /** With the account's name, as every URL of the emulator has. */
  readonly endpoint: string;
  readonly connectionString: string;
}

/** Starts the table service, and only that, on a free loopback port. */
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
    // The signal on which it writes its data to disk before it exits.
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

// The emulator's own account, printed in its documentation and the same everywhere.
const ACCOUNT = "devstoreaccount1";
const KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
