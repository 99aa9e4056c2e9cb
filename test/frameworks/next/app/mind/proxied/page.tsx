import { Suspense } from "react";
import { users } from "../../../lib/suite";

// The proxy has written before this page.
export default function Page() {
  return (
    <Suspense>
      <Seen />
    </Suspense>
  );
}

async function Seen() {
  const session = await users.session();
  return <p data-n="">{String(session.data.n)}</p>;
}
