// The program that every runtime serves: the cases of each part, and the application of the adapters' suite.

import { adapters } from "./adapters.ts";
import type { PortableCase } from "./cases.ts";
import { type Environment, parts } from "./parts.ts";

/** How one case went. */
export interface CaseResult {
  name: string;
  outcome: "passed" | "skipped" | "failed";
  /** Why it was skipped or failed. */
  reason?: string;
}

/**
 * Answers the runner:
 * - `/parts/<part>`: the names of its cases. 500 with the reason if the part can't be loaded.
 * - `/parts/<part>/<number>`: the result of one case. Each has a request of its own, because workerd limits a request.
 * - `/adapters/<name>/…`: the application of the adapters' suite.
 */
export async function answer(request: Request, env: Environment): Promise<Response> {
  const [, kind, name = "", number] = new URL(request.url).pathname.split("/").map(decodeURIComponent);
  if (kind === "adapters") return (await adapters[name]!())(request);
  if (kind !== "parts") return new Response("ready");
  try {
    const cases = await parts[name]!(env);
    if (number === undefined) return Response.json(cases.map((one) => one.name));
    return Response.json(await run(cases[Number(number)]!));
  } catch (error) {
    return new Response(String((error as Error).message), { status: 500 });
  }
}

async function run({ name, run }: PortableCase): Promise<CaseResult> {
  let skipped: string | undefined;
  try {
    await run({
      skip(reason = "skipped") {
        skipped = reason;
      },
    });
    return skipped === undefined ? { name, outcome: "passed" } : { name, outcome: "skipped", reason: skipped };
  } catch (error) {
    return { name, outcome: "failed", reason: String((error as Error).stack ?? error) };
  }
}
