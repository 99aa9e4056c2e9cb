import { Module } from "@nestjs/common";
import { SessionModule } from "coatcheck/nest";
import { SessionsController } from "./sessions.controller.js";
import { sessions } from "./sessions.js";
import { ShopController } from "./shop.controller.js";

@Module({
  // A page that polls does not keep its user signed in.
  imports: [SessionModule.forRoot(sessions, { extend: ({ url }) => url !== "/poll" })],
  controllers: [ShopController, SessionsController],
})
export class AppModule {}
