// Connections that the server ends at the worst moment.

import assert from "node:assert/strict";
import { type AddressInfo, connect, createServer } from "node:net";
import { after, test } from "node:test";
import pg from "pg";
import { StoreError } from "../../../src/errors.ts";
import { postgres } from "../../../src/stores/postgres/index.ts";
import { newKey, session } from "../../fixtures/sql/kit.ts";
import { startPostgres } from "../../servers/postgres.ts";

const server = await startPostgres();
after(() => server.stop());

// ErrorResponse: FATAL 57P01, as the server sends it to each connection when it shuts down.
const FIELDS = "SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0";
const TERMINATED = Buffer.concat([Buffer.from([0x45, 0, 0, 0, FIELDS.length + 4]), Buffer.from(FIELDS)]);
// ReadyForQuery, outside of a transaction.
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

/** A proxy whose server, from the given answer on, ends a connection in the same packet in which it gets ready. */
async function startTerminator(answersBefore: number): Promise<{ url: string; close(): void }> {
  const port = Number(new URL(server.url).port);
  const proxy = createServer((client) => {
    const upstream = connect(port, "127.0.0.1");
    let answers = 0;
    upstream.on("data", (data) => {
      const isReady = data.subarray(-READY.length).equals(READY);
      if (isReady && ++answers > answersBefore) client.end(Buffer.concat([data, TERMINATED]));
      else client.write(data);
    });
    client.pipe(upstream);
    for (const socket of [client, upstream]) {
      socket
        .on("error", () => {})
        .on("close", () => {
          client.destroy();
          upstream.destroy();
        });
    }
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const url = new URL(server.url);
  url.port = String((proxy.address() as AddressInfo).port);
  return { url: url.href, close: () => proxy.close() };
}

for (const answersBefore of [0, 1, 2]) {
  for (const given of [false, true]) {
    const pool = given ? "a given pool" : "its own pool";
    test(`a connection that ends together with answer ${answersBefore + 1} does not end the process, with ${pool}`, async () => {
      const direct = postgres({ url: server.url, createTable: true });
      const terminator = await startTerminator(answersBefore);
      const ofApplication = new pg.Pool({ connectionString: terminator.url });
      const broken = given ? postgres({ pool: ofApplication }) : postgres({ url: terminator.url });
      try {
        await direct.read(newKey());
        for (let i = 0; i < 4; i++) {
          const key = newKey();
          const created = await broken.create(key, session()).catch((error) => error);
          // An answer that came before the end counts, and without one the outcome is an error.
          if (created instanceof Error) assert.ok(created instanceof StoreError, created.stack);
          else assert.notEqual(await direct.read(key), undefined);
        }
      } finally {
        await broken.close();
        await direct.close();
        await ofApplication.end();
        terminator.close();
      }
    });
  }
}
