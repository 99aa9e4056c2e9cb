import { Suspense } from "react";
import { short } from "../../../lib/suite";

// What a page shows of a session that ends soon. With `poll` it does not extend it; with `late` it changes what it reads.
export default function Page({ searchParams }: PageProps<"/mind/short">) {
  return (
    <Suspense>
      <List searchParams={searchParams} />
    </Suspense>
  );
}

async function List({ searchParams }: Pick<PageProps<"/mind/short">, "searchParams">) {
  const { poll, late } = await searchParams;
  const { data } = await short.session({ extend: poll === undefined });
  if (late !== undefined) data.list.push(2);
  return <p data-list="">{String(data.list)}</p>;
}
