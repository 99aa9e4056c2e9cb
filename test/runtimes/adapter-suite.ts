// The adapters' suite against an application that another runtime serves. The runner gives its address.

import { exceptions } from "../adapters/apps.ts";
import { adapterSuite } from "../adapters/suite.ts";

const name = process.env.SUITE_NAME!;
adapterSuite(name, async () => ({ url: process.env.SUITE_URL!, close: async () => {} }), exceptions[name]);
