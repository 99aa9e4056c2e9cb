// The contender: express-session with its MemoryStore.
import { withExpressSession } from "./with-express-session.ts";

/** MemoryStore keeps sessions for ever. */
export default withExpressSession({ memory: "express-session, MemoryStore" }, () => undefined);
