import { type NextRequest, NextResponse } from "next/server";
import { users } from "./lib/suite";
import shopProxy from "./shop-proxy";

export default (request: NextRequest) =>
  request.nextUrl.pathname === "/sessions" ? shopProxy(request) : suiteProxy(request);

const suiteProxy = users.proxy(
  async (request, session) => {
    const by = request.nextUrl.searchParams.get("proxy");
    if (by === "write") session.update("n", (n) => (n ?? 0) + 1);
    if (by === "promote") await session.regenerate();
    if (by === "destroy") await session.destroy();
    if (by === "fail") session.set("n", (() => {}) as never);
    if (by === "redirect") {
      session.data.n = 50;
      return NextResponse.redirect(new URL("/mind/proxied", request.url));
    }
    if (by === "cookie") {
      session.data.n = 60;
      const response = NextResponse.next({ headers: { "x-request-id": "7" } });
      response.cookies.set("theme", "dark");
      return response;
    }
  },
  { mode: (request) => (request.nextUrl.searchParams.has("proxy") ? undefined : "none") },
);

export const config = { matcher: ["/mind/:path*", "/sessions"] };
