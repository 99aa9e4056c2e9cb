import { cacheLife } from "next/cache";
import { Suspense } from "react";
import { users } from "../../../lib/suite";

export default function Page() {
  return (
    <Suspense>
      <User />
      <Plain />
    </Suspense>
  );
}

async function User() {
  return <p data-user="">{await getUser()}</p>;
}

async function Plain() {
  return <p data-plain="">{(await users.session({ extend: false })).data.user}</p>;
}

async function getUser(): Promise<string> {
  "use cache: private";
  cacheLife({ stale: 60 });
  return (await users.session()).data.user;
}
