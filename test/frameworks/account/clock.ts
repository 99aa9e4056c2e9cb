// The server's clock, which the tests set forward: the file CLOCK has the milliseconds.

import { readFileSync } from "node:fs";

const { now } = Date;
Date.now = () => now() + Number(readFileSync(process.env.CLOCK!, "utf8"));
