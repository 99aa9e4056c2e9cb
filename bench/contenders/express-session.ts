import { withExpressSession } from "./with-express-session.ts";

/** Its own MemoryStore, which keeps sessions for ever. */
export default withExpressSession({ memory: "express-session, MemoryStore" }, () => undefined);
