// The headers that describe a body, and so must not stay where another body takes its place.

// All that begins with Content- describes the body, but for the policies, which middleware sets for every response.
// What begins with X-Middleware- tells Next.js to go on with the request that failed, and X-TSS- describes TanStack's body.
const ABOUT_BODY =
  /^(x-middleware-.*|x-tss-.*|content-(?!security-policy).*|etag|last-modified|transfer-encoding|trailer|location|refresh|accept-ranges|expires|age|digest|repr-digest)$/i;
const ABOUT_CACHING = /^(cache-control|.*cdn-cache-control|surrogate-control)$/i;

/**
 * True if a header describes the body that it was set for: it must not stay where an error's body takes its place. Headers
 * of the whole application stay, such as those of CORS and HSTS, and a request's id.
 */
export function describesBody(name: string, value: unknown): boolean {
  // What keeps a response out of caches is right for an error, too.
  if (ABOUT_CACHING.test(name)) return !/no-store|no-cache|private/i.test(String(value));
  return ABOUT_BODY.test(name);
}
