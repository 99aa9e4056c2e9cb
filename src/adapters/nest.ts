// The adapter for NestJS, on Express and on Fastify: a module.

import type { CanActivate, DynamicModule, FactoryProvider } from "@nestjs/common";
import type { AdapterSession, Mode, SessionData, Sessions, SessionsOptions } from "../index.ts";
import { type CsrfCheckOptions, csrfCheck } from "./csrf.ts";
import { session as expressSession, type Middleware } from "./express.ts";
import { session as fastifySession } from "./fastify.ts";
import { commitBeforeRawHeaders } from "./nest-fastify.ts";
import { changeModeThen, checkAdapterOptions, PROPERTY_NAMES, type PropertyOptions, sessionsFrom } from "./options.ts";

/** What the requests of Express and of Fastify have in common. */
export interface NestRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface NestOptions extends PropertyOptions<NestRequest> {}

export interface NestAsyncOptions<Data extends object = SessionData> extends NestOptions {
  /** Modules with what `useFactory` needs. */
  imports?: NonNullable<DynamicModule["imports"]>;
  /** What `useFactory` gets, such as `[ConfigService]`. */
  inject?: NonNullable<FactoryProvider["inject"]>;
  /** Gives the sessions, or their options. */
  useFactory: (...dependencies: never[]) => MaybePromise<Sessions<Data> | SessionsOptions<Data>>;
}

type MaybePromise<T> = T | Promise<T>;

/** The token of the sessions, for those who list or end them: `constructor(@Inject(SESSIONS) private sessions: Sessions)`. */
export const SESSIONS = sessionsToken("session");

/** The token of sessions under another property: `@Inject(sessionsToken("adminSession"))`. */
export function sessionsToken(property: string): string {
  return `coatcheck.sessions.${property}`;
}

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
    return moduleOf({ ...options, useFactory: () => sessionsOrOptions ?? {} });
  }

  /**
   * With what other modules provide:
   * `SessionModule.forRootAsync({ inject: [ConfigService], useFactory: (config: ConfigService) => ({ secret: config.getOrThrow("SECRET") }) })`.
   *
   * @throws OptionError if an option of the adapter is wrong.
   */
  static forRootAsync<Data extends object = SessionData>(options: NestAsyncOptions<Data>): DynamicModule {
    return moduleOf(options);
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

/**
 * A guard by which a controller or a handler uses the session in another way: `@UseGuards(sessionMode("exclusive"))`. Guards
 * before it see the session in the mode of the module.
 */
export function sessionMode(mode: Mode, property = "session"): CanActivate {
  checkAdapterOptions({ mode, property }, PROPERTY_NAMES);
  return {
    canActivate: (context) =>
      new Promise((resolve, reject) => {
        const request = context.switchToHttp().getRequest() as Record<string, AdapterSession | undefined>;
        const session = request[property];
        if (session === undefined) resolve(true);
        else changeModeThen(session, mode, (error) => (error === undefined ? resolve(true) : reject(error)));
      }),
  };
}

/** What is needed of Nest's `MiddlewareConsumer`. */
interface Consumer {
  getHttpAdapter(): {
    getType(): string;
    getInstance(): { register(plugin: unknown): PromiseLike<unknown> };
    use(middleware: Middleware): unknown;
  };
}

/** The sessions of one call of `forRoot`, in one application. */
class Registration {
  readonly sessions: Sessions<object>;
  readonly options: NestOptions;
  /** True if the sessions were made from options, for this application. */
  readonly isOwn: boolean;

  constructor(given: Sessions<object> | SessionsOptions<object>, options: NestOptions) {
    this.sessions = sessionsFrom(given);
    this.options = options;
    this.isOwn = this.sessions !== given;
  }
}

function moduleOf<Data extends object>(given: NestAsyncOptions<Data>): DynamicModule {
  const { imports = [], inject = [], useFactory, ...options } = given;
  checkAdapterOptions(options, PROPERTY_NAMES);
  const token = sessionsToken(options.property ?? "session");
  // The metadata that TypeScript writes for a decorated class, which Nest reads. Nest loads what defines it.
  const { defineMetadata } = Reflect as unknown as {
    defineMetadata(key: string, value: unknown, target: object): void;
  };
  defineMetadata("design:paramtypes", [Registration], SessionModule);
  return {
    module: SessionModule,
    global: true,
    imports,
    providers: [
      {
        provide: Registration,
        inject,
        useFactory: async (...dependencies: never[]) =>
          new Registration((await useFactory(...dependencies)) as Sessions<object>, options),
      },
      { provide: token, inject: [Registration], useFactory: ({ sessions }: Registration) => sessions },
    ],
    exports: [token],
  };
}

/**
 * A guard that refuses requests which a page of another site may have sent in the user's name (403): see
 * `session.checkCsrf`. For the application: `app.useGlobalGuards(csrf())`.
 *
 * @throws OptionError if an option is wrong.
 */
export function csrf(options: CsrfCheckOptions = {}): CanActivate {
  const check = csrfCheck(options);
  return {
    canActivate: (context) => {
      const request = context.switchToHttp().getRequest() as { method: string; body?: unknown; query?: unknown };
      check(request.method, request, request);
      return true;
    },
  };
}
