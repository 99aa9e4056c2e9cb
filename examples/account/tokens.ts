// The tokens for the OAuth server: each session has its own, and one request refreshes them for all.

import type { Session, SessionData } from "coatcheck";
import { startProvider } from "./provider.ts";

export interface Tokens {
  access_token: string;
  refresh_token: string;
  expires_at: number;
}

const provider = await startProvider();

/** A login at the provider, whose page would send a code to this server. Here the code is the user's id. */
export function firstTokens(user: string): Promise<Tokens> {
  return requestTokens({ grant_type: "authorization_code", code: user });
}

/** What the provider's API says, and how often it has refreshed these tokens. */
export async function orders(session: Session<SessionData>): Promise<{ orders: string[]; refreshes: number }> {
  const refresh = (former?: Tokens) =>
    requestTokens({ grant_type: "refresh_token", refresh_token: former!.refresh_token });
  const { access_token } = await session.once("tokens", refresh, {
    isFresh: ({ expires_at }) => expires_at > Date.now() + 10_000,
  });
  return answerOf(await fetch(`${provider}/orders`, { headers: { authorization: `Bearer ${access_token}` } }));
}

async function requestTokens(body: Record<string, string>): Promise<Tokens> {
  const answer = await fetch(`${provider}/token`, {
    method: "POST",
    body: new URLSearchParams(body),
    signal: AbortSignal.timeout(5_000), // others wait for this call
  });
  const { expires_in, ...tokens } = await answerOf<Omit<Tokens, "expires_at"> & { expires_in: number }>(answer);
  return { ...tokens, expires_at: Date.now() + expires_in * 1000 };
}

async function answerOf<Answer>(answer: Response): Promise<Answer> {
  if (!answer.ok) throw new Error(`the provider answers ${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as Answer;
}
