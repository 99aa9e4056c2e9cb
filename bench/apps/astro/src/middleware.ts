// The middleware of the variant that is built.
export { onRequest } from "#variant";
