// What the page asks its server to do.

import type { Ended, Failure, Found } from "../protocol.ts";

/** Of an owner, or of one session. */
export type Query = { owner: string } | { id: string };

export const find = (query: Query): Promise<Found> => post("find", query);

export const end = (query: Query): Promise<Ended> => post("end", query);

const TIME_LIMIT_MS = 15_000;

/** Throws an error whose message is for the user. */
async function post<Answer>(path: string, query: Query): Promise<Answer> {
  const response = await fetch(`./${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-coatcheck-console": "1" },
    body: JSON.stringify(query),
    signal: AbortSignal.timeout(TIME_LIMIT_MS),
  }).catch(() => {
    throw new Error("The console's server does not answer. Try again in a moment.");
  });
  const answer = (await response.json().catch(() => undefined)) as Answer | Failure | undefined;
  if (response.ok && answer !== undefined) return answer as Answer;
  if (response.status === 400 && "id" in query) throw new Error("This is not the public id of a session.");
  throw new Error((answer as Failure | undefined)?.error ?? `The server answers with the status ${response.status}.`);
}
