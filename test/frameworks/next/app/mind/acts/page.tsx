import type { Metadata } from "next";
import { admins, kit, users } from "../../../lib/suite";
import { act, actBoth, actNever, actNone } from "./actions";

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await users.session()).isNew ? "new" : "known" };
}

// The names of the actions\' ways.
const WAYS =
  "stay stay-unmarked promote destroy redirect destroy-redirect not-found forbidden unauthorized cookie sees unstorable promote-and-throw throw";

export default async function Page() {
  const before = kit.calls();
  const session = await users.session();
  const { data } = await admins.session();
  return (
    <>
      <p data-n="">{String(session.data.n)}</p>
      <p data-user="">{session.data.user}</p>
      <p data-admin="">{data.admin}</p>
      <p data-owner="">{session.owner}</p>
      <p data-write="">{refusal(() => ((session.data as { n: number }).n = 7))}</p>
      <p data-reads="">{kit.calls() - before}</p>
      {WAYS.split(" ").map((by) => (
        <form key={by} action={act.bind(null, by)} data-form={by} />
      ))}
      <form action={actBoth} data-form="both" />
      <form action={actNever} data-form="never" />
      <form action={actNone} data-form="none" />
    </>
  );
}

function refusal(write: () => void): string {
  try {
    write();
    return "written";
  } catch (error) {
    return String((error as Error).message);
  }
}
