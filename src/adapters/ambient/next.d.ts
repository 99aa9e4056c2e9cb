// What the adapter for Next.js uses of Next.js, which is not installed here. Applications have Next's own types.

declare module "next/headers.js" {
  interface Cookies {
    getAll(): { name: string; value: string }[];
    set(name: string, value: string, attributes: object): unknown;
  }
  export function cookies(): Promise<Cookies>;
  export function headers(): Promise<Headers>;
}

declare module "next/server.js" {
  /** Since Next 15.1. */
  export const after: ((callback: () => void) => void) | undefined;
  export class NextRequest extends Request {}
  export class NextResponse extends Response {
    static next(): NextResponse;
    readonly cookies: { set(name: string, value: string, attributes: object): unknown };
  }
}

declare module "next/cache.js" {
  /** Since Next 16.3. */
  export const io: (() => Promise<void>) | undefined;
}
