// Starts the Azure Cosmos DB emulator.
import { readFileSync } from "node:fs";
import type { Server } from "node:http";
import { createRequire } from "node:module";
import { type FaultProxy, portOf, startFaultProxy } from "./fault-proxy.ts";
import { makeCertificate } from "./redis.ts";

/**
 * The emulator with temporary data, behind a proxy that injects faults. Both run in this process. `stop` stops only the
 * proxy, because the emulator keeps its data in memory: the data is available again after `start`.
 */
export interface CosmosServer extends FaultProxy {
  readonly endpoint: string;
  /** The emulator accepts any key. */
  readonly key: string;
  /** The authority that signs the certificate, in PEM. Only with `tls`. */
  readonly ca: string | undefined;
  /** Stops the proxy and the emulator. */
  close(): Promise<void>;
}

/** Starts the emulator on a free loopback port. With `tls`, it uses https with a certificate made for this run. */
export async function startCosmos({ tls = false } = {}): Promise<CosmosServer> {
  const emulator = createHttpServer({ keepAlive: true });
  emulator.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => emulator.listen(0, "127.0.0.1", resolve));
  const scheme = tls ? "https" : "http";
  const certificate = tls ? await makeCertificate() : undefined;
  const pem = (file: string) => readFileSync(file, "utf8");
  const proxy = await startFaultProxy(portOf(emulator), {
    ...(certificate && { tls: { key: pem(certificate.key), cert: pem(certificate.cert) } }),
    // Clients follow the addresses in the account's answer, where the emulator puts its own.
    rewrite: ({ path }, body, port) =>
      path === "/"
        ? body.toString().replaceAll(/https:\/\/127\.0\.0\.1:\d+\//g, `${scheme}://127.0.0.1:${port}/`)
        : undefined,
  });
  return Object.assign(proxy, {
    endpoint: `${scheme}://127.0.0.1:${proxy.port}/`,
    key: Buffer.from("any").toString("base64"),
    ca: certificate && pem(certificate.ca),
    async close() {
      await proxy.stop();
      emulator.closeAllConnections();
      await new Promise((resolve) => emulator.close(resolve));
    },
  });
}

const { createHttpServer } = createRequire(import.meta.url)("@vercel/cosmosdb-server") as {
  createHttpServer(options: { keepAlive: boolean }): Server;
};
