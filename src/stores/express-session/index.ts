// Stores of express-session: used by coatcheck, and made of coatcheck's.

export { type ExpressStoreLike, type FromExpressStoreOptions, fromExpressStore } from "./from-express-store.ts";
export { type ExpressStore, type ToExpressStoreOptions, toExpressStore } from "./to-express-store.ts";
