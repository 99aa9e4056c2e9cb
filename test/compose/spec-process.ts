import { storeOf } from "./spec.ts";

/** For a process of the conformance suite: the store that the query of this module's URL describes. */
export default () => storeOf(JSON.parse(new URL(import.meta.url).searchParams.get("spec")!));
