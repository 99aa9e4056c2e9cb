// A process full of browsers: node crowd-process.ts <options as JSON>. What they did goes into a file, a line each.
import { createWriteStream } from "node:fs";
import { type CrowdOptions, crowd } from "./crowd.ts";
import { now } from "./history.ts";

const options = JSON.parse(process.argv[2]!) as CrowdOptions & { file: string; until: number };
const operations = await crowd(options, () => now() < options.until);
const file = createWriteStream(options.file);
for (const operation of operations) file.write(`${JSON.stringify(operation)}\n`);
file.end(() => process.exit());
