import { createFileRoute } from "@tanstack/react-router";
import { act, addAlone, count, read } from "../../mind.functions";

export const Route = createFileRoute("/mind/page")({
  validateSearch: (search: Record<string, unknown>): { count?: boolean; to?: string } => search,
  loaderDeps: ({ search }) => ({ counts: search.count }),
  loader: async ({ deps }) => {
    if (deps.counts) await count();
    return read();
  },
  component: Page,
});

function Page() {
  const { n, same, id, calls } = Route.useLoaderData();
  return (
    <>
      <p data-n="">{String(n)}</p>
      <p data-same="">{String(same)}</p>
      <p data-id="">{id}</p>
      <p data-calls="">{calls}</p>
      <form method="post" action={act.url} data-form="act">
        <input name="by" />
      </form>
      <form method="post" action={addAlone.url} data-form="alone" />
    </>
  );
}
