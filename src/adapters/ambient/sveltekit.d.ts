// What the adapter for SvelteKit uses of SvelteKit, which is not installed here. Applications have SvelteKit's own types.

declare module "@sveltejs/kit" {
  export interface RequestEvent {
    readonly request: Request;
    readonly url: URL;
    readonly locals: App.Locals;
    readonly route: { id: string | null };
    readonly cookies: { set(name: string, value: string, options: object): void };
    readonly isDataRequest: boolean;
    readonly isSubRequest: boolean;
    readonly isRemoteRequest: boolean;
  }
}
