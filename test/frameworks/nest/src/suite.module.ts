// The tests' application.

import { type MiddlewareConsumer, Module, type NestModule } from "@nestjs/common";
import { createSessions } from "coatcheck";
import { memory } from "coatcheck/memory";
import { SessionModule } from "coatcheck/nest";
import { redis } from "coatcheck/redis";
import { DownController, MindController } from "./mind.controller.js";
import { SuiteController } from "./suite.controller.js";
import { createKit, suiteOptions } from "./suite-app.js";

const { REDIS_URL } = process.env;
export const kit = createKit(createSessions as never, () => (REDIS_URL ? redis({ url: REDIS_URL }) : memory()));

/** Stands for a module such as ConfigModule. */
@Module({
  providers: [
    { provide: "KIT", useValue: kit },
    { provide: "SECRET", useValue: "a secret for the tests of adapters" },
  ],
  exports: ["KIT", "SECRET"],
})
class SettingsModule {}

const settings = { imports: [SettingsModule] };

@Module({
  imports: [
    SettingsModule,
    SessionModule.forRoot(kit.users, {
      mode: ({ url }) => suiteOptions.mode(url),
      extend: ({ url }) => suiteOptions.extend(url),
    }),
    SessionModule.forRootAsync({
      ...settings,
      inject: ["KIT"],
      useFactory: async ({ admins }: typeof kit) => admins,
      property: "admin",
    }),
    // Sessions whose store is down.
    SessionModule.forRootAsync({
      ...settings,
      inject: ["SECRET"],
      useFactory: (secret: string) => ({
        store: { ...memory(), inProcess: false, create: fail, read: fail, update: fail, delete: fail, close } as never,
        secret,
        cookie: { secure: "auto" },
      }),
      property: "down",
      mode: ({ url }) => (url.startsWith("/down") ? "merge" : "none"),
    }),
  ],
  controllers: [MindController, DownController, SuiteController],
})
export class SuiteModule implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer
      .apply(
        (
          req: { session?: { isNew: boolean } },
          res: { setHeader(name: string, value: string): void },
          next: () => void,
        ) => {
          res.setHeader("X-Middleware-Sees", String(req.session !== undefined));
          next();
        },
      )
      .forRoutes("mind/middleware");
  }
}

function fail(): Promise<never> {
  return Promise.reject(new Error("connect ECONNREFUSED 10.0.0.7:6379"));
}

async function close(): Promise<void> {
  console.log("the store is closed");
}
