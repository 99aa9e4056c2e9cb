// Makes a composed store in a process of the conformance suite.

import { storeOf } from "./spec.ts";

/** The store that the query of this module's URL describes. */
export default () => storeOf(JSON.parse(new URL(import.meta.url).searchParams.get("spec")!));
