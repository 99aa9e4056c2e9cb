import { Body, Controller, Get, Header, Inject, Post, Query, Redirect, Session, UseGuards } from "@nestjs/common";
import type { Sessions } from "coatcheck";
import { SESSIONS, sessionMode } from "coatcheck/nest";
import { isItem, shopPage, withItem } from "./pages.js";
import type { ShopSession } from "./sessions.js";

@Controller()
export class ShopController {
  constructor(@Inject(SESSIONS) private readonly sessions: Sessions) {}

  @Get()
  @Header("Content-Type", "text/html")
  shop(@Session() session: ShopSession, @Query("error") error?: string) {
    const { user, cart } = session.data;
    return shopPage({ user, cart, error: error && "Please enter a name." });
  }

  @Post("login")
  @Redirect("/", 303)
  async login(@Session() session: ShopSession, @Body("user") name?: string) {
    const user = String(name ?? "").trim();
    if (user === "") return { url: "/?error=name" };
    await session.regenerate(); // a new ticket: nobody can have put the old one into this browser
    session.owner = user;
    session.data.user = user;
    return { url: "/" };
  }

  @Post("cart")
  @Redirect("/", 303)
  add(@Session() session: ShopSession, @Body("item") item?: string) {
    if (isItem(item)) session.update("cart", (cart) => withItem(cart, item));
  }

  @Post("logout")
  @Redirect("/", 303)
  async logout(@Session() session: ShopSession) {
    await session.destroy();
  }

  @Post("logout-everywhere")
  @Redirect("/", 303)
  async logoutEverywhere(@Session() session: ShopSession) {
    if (session.owner !== undefined) await this.sessions.revokeAll(session.owner);
    await session.destroy();
  }

  @Get("poll")
  @UseGuards(sessionMode("readonly"))
  poll(@Session() session: ShopSession) {
    return { items: Object.values(session.data.cart).reduce((sum, count) => sum + count, 0) };
  }
}
