// What the adapter for NestJS uses of its types, which are not installed here. Applications have Nest's own.

declare module "@nestjs/common" {
  export interface DynamicModule {
    module: new (...args: never[]) => object;
    global?: boolean;
    imports?: unknown[];
    providers?: { provide: unknown; useFactory: (...args: never[]) => unknown; inject?: unknown[] }[];
    exports?: unknown[];
  }
  export interface FactoryProvider {
    inject?: unknown[];
  }
  export interface ExecutionContext {
    switchToHttp(): { getRequest(): object };
  }
  export interface CanActivate {
    canActivate(context: ExecutionContext): boolean | Promise<boolean>;
  }
}
