// The adapter for NestJS, on Express and on Fastify: a module.

import type { DynamicModule } from "@nestjs/common";
import type { SessionData, Sessions, SessionsOptions } from "../index.ts";
import { session as expressSession, type Middleware } from "./express.ts";
import { session as fastifySession } from "./fastify.ts";
import { commitBeforeRawHeaders } from "./nest/raw-response.ts";
import { moduleOf, type NestAsyncOptions, type NestOptions, type Registration } from "./nest/registration.ts";

export { csrf, sessionMode } from "./nest/guards.ts";
export {
  type NestAsyncOptions,
  type NestOptions,
  type NestRequest,
  SESSIONS,
  sessionsToken,
} from "./nest/registration.ts";

/**
 * Sessions for NestJS. The module opens them for every request, so that middleware, guards and interceptors see them, and Nest's
 * own `@Session()` gives them to a handler:
 *
 * ```ts
 * @Module({ imports: [SessionModule.forRoot(sessions)], controllers: [CartController] })
 * export class AppModule {}
 *
 * @Post("cart")
 * add(@Session() session: ShopSession, @Body("item") item: string) { … }
 * ```
 *
 * On Express, what `app.use` adds in `main.ts` runs before the module. On Fastify, Nest gives middleware Node's own request,
 * which has no session. Errors of the session go to Nest's exception filters, and without one the client gets their status
 * (503 if the store is down).
 */
export class SessionModule {
  readonly #registration: Registration;

  constructor(registration: Registration) {
    this.#registration = registration;
  }

  /** @throws OptionError if an option of the adapter is wrong. Those of the sessions are checked when the application starts. */
  static forRoot<Data extends object = SessionData>(
    sessionsOrOptions?: Sessions<Data> | SessionsOptions<Data>,
    options: NestOptions = {},
  ): DynamicModule {
    return moduleOf(SessionModule, { ...options, useFactory: () => sessionsOrOptions ?? {} });
  }

  /**
   * With what other modules provide:
   * `SessionModule.forRootAsync({ inject: [ConfigService], useFactory: (config: ConfigService) => ({ secret: config.getOrThrow("SECRET") }) })`.
   *
   * @throws OptionError if an option of the adapter is wrong.
   */
  static forRootAsync<Data extends object = SessionData>(options: NestAsyncOptions<Data>): DynamicModule {
    return moduleOf(SessionModule, options);
  }

  /** Called by Nest, before the middleware of the application's modules. */
  async configure(consumer: object): Promise<void> {
    const { sessions, options } = this.#registration;
    const adapter = (consumer as Consumer).getHttpAdapter();
    if (adapter.getType() === "fastify") {
      const fastify = adapter.getInstance();
      await fastify.register(fastifySession(sessions, options as object));
      commitBeforeRawHeaders(fastify as never, sessions, options);
    } else {
      adapter.use(expressSession(sessions, options as object));
    }
  }

  /** Called by Nest when the server takes no more requests. Sessions that the application has made, it closes itself. */
  async onApplicationShutdown(): Promise<void> {
    if (this.#registration.isOwn) await this.#registration.sessions.close();
  }
}

/** What is needed of Nest's `MiddlewareConsumer`. */
interface Consumer {
  getHttpAdapter(): {
    getType(): string;
    getInstance(): { register(plugin: unknown): PromiseLike<unknown> };
    use(middleware: Middleware): unknown;
  };
}
