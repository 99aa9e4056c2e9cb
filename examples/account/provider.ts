// Another company's OAuth server, as small as it can be. A refresh token is good once: who brings it a second time may be a
// thief, so the whole grant ends (RFC 9700, section 4.14.2).

import { randomBytes } from "node:crypto";
import { serve } from "@hono/node-server";
import { Hono } from "hono";

const LIFETIME_S = 600;

interface Grant {
  user: string;
  refreshToken: string;
  refreshes: number;
  hasEnded: boolean;
}

const grants = new Map<string, Grant>(); // by every refresh token that they have had
const accessTokens = new Map<string, Grant>();

const provider = new Hono();

provider.post("/token", async (c) => {
  const { grant_type, code, refresh_token } = (await c.req.parseBody()) as Record<string, string>;
  if (grant_type === "authorization_code" && code) {
    return c.json(tokensOf({ user: code, refreshToken: "", refreshes: 0, hasEnded: false }));
  }
  const grant = grants.get(refresh_token ?? "");
  if (grant === undefined || grant.hasEnded) return c.json({ error: "invalid_grant" }, 400);
  if (grant.refreshToken !== refresh_token) {
    grant.hasEnded = true;
    return c.json({ error: "invalid_grant", error_description: "The refresh token was used before." }, 400);
  }
  grant.refreshes++;
  return c.json(tokensOf(grant));
});

/** The API for which all this is done. */
provider.get("/orders", (c) => {
  const grant = accessTokens.get(c.req.header("authorization")?.replace("Bearer ", "") ?? "");
  if (grant === undefined || grant.hasEnded) return c.json({ error: "invalid_token" }, 401);
  return c.json({ orders: ["hat", "coat"], refreshes: grant.refreshes });
});

function tokensOf(grant: Grant) {
  grant.refreshToken = randomBytes(24).toString("base64url");
  grants.set(grant.refreshToken, grant);
  const access_token = randomBytes(24).toString("base64url");
  accessTokens.set(access_token, grant);
  setTimeout(() => accessTokens.delete(access_token), LIFETIME_S * 1000).unref();
  return { access_token, refresh_token: grant.refreshToken, expires_in: LIFETIME_S };
}

/** Starts it on a free port, for as long as the application runs. Gives its URL. */
export function startProvider(): Promise<string> {
  return new Promise((resolve) => {
    serve({ fetch: provider.fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) =>
      resolve(`http://127.0.0.1:${port}`),
    ).unref();
  });
}
