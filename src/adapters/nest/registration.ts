// The registration of sessions in an application of NestJS: its options, its providers and their tokens.

import type { DynamicModule, FactoryProvider } from "@nestjs/common";
import type { SessionData, Sessions, SessionsOptions } from "../../index.ts";
import { checkAdapterOptions, PROPERTY_NAMES, type PropertyOptions, sessionsFrom } from "../options.ts";

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

/** The sessions of one call of `forRoot`, in one application. */
export class Registration {
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

/** A module of this class, which provides the sessions. @throws OptionError */
export function moduleOf<Data extends object>(
  SessionModule: DynamicModule["module"],
  given: NestAsyncOptions<Data>,
): DynamicModule {
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
