// What the adapter for Astro uses of Astro, which is not installed here. Applications have Astro's own types.

declare module "astro" {
  export interface APIContext {
    readonly request: Request;
    readonly url: URL;
    readonly locals: App.Locals;
    readonly isPrerendered: boolean;
    readonly routePattern: string;
  }
}
