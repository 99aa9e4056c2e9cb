import { type ReactNode, Suspense } from "react";
import { users } from "../../../lib/suite";

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <>
      <Suspense>
        <Id />
      </Suspense>
      <Suspense>{children}</Suspense>
    </>
  );
}

async function Id() {
  return <p data-id="">{(await users.session()).id}</p>;
}
