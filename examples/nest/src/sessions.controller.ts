import { Body, Controller, Get, Header, Inject, Post, Redirect, Session, UseFilters, UseGuards } from "@nestjs/common";
import type { Sessions } from "coatcheck";
import { SESSIONS } from "coatcheck/nest";
import { sessionsPage } from "./pages.js";
import type { ShopSession } from "./sessions.js";
import { SignedInGuard, ToShopFilter } from "./signed-in.js";

@Controller("sessions")
@UseGuards(SignedInGuard)
@UseFilters(ToShopFilter)
export class SessionsController {
  constructor(@Inject(SESSIONS) private readonly sessions: Sessions) {}

  @Get()
  @Header("Content-Type", "text/html")
  async list(@Session() { id, owner }: ShopSession) {
    return sessionsPage(await Array.fromAsync(this.sessions.list({ owner: owner! })), id);
  }

  @Post("end")
  @Redirect("/sessions", 303)
  async end(@Session() { owner }: ShopSession, @Body("id") id?: string) {
    const found = await this.sessions.find(String(id));
    if (found?.owner === owner) await this.sessions.revoke(String(id));
  }
}
