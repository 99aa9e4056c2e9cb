// Packages without types, as far as the tests use them.

declare module "compression" {
  import type { RequestHandler } from "express";
  export default function compression(): RequestHandler;
}

declare module "connect-flash" {
  import type { RequestHandler } from "express";
  export default function flash(): RequestHandler;
}

declare module "passport" {
  import type { RequestHandler } from "express";

  interface User {
    id: string;
  }
  type Done<Result> = (error: unknown, result?: Result | false) => void;

  export class Passport {
    use(name: string, strategy: object): this;
    initialize(): RequestHandler;
    session(): RequestHandler;
    authenticate(name: string, options?: object): RequestHandler;
    serializeUser(serialize: (user: User, done: Done<string>) => void): void;
    deserializeUser(deserialize: (id: string, done: Done<User>) => void): void;
  }
  export class Strategy {
    success(user: User): void;
    fail(status: number): void;
  }
  const passport: { Passport: typeof Passport; Strategy: typeof Strategy };
  export default passport;
}
