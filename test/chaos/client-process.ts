// node client-process.ts <options as JSON>: runs browsers until a message comes, and writes their operations to a file.
import { createWriteStream } from "node:fs";
import { type ClientOptions, runClients } from "./clients.ts";

const options = JSON.parse(process.argv[2]!) as ClientOptions & { file: string };
let isOver = false;
process.once("message", () => {
  isOver = true;
});
const operations = await runClients(options, () => !isOver);
const file = createWriteStream(options.file);
// One in each line.
for (const operation of operations) file.write(`${JSON.stringify(operation)}\n`);
file.end(() => process.exit());
