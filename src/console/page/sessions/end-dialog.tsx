// Asks once before sessions end.

import { useLayoutEffect, useRef } from "preact/hooks";
import type { Query } from "../api.ts";

/** What is about to end, in a word or two. */
export interface Ending {
  query: Query;
  what: string;
}

interface Props {
  ending: Ending;
  onCancel: () => void;
  onConfirm: (ending: Ending) => void;
}

export function EndDialog({ ending, onCancel, onConfirm }: Props) {
  const ref = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => ref.current!.showModal(), []);
  return (
    <dialog ref={ref} aria-labelledby="ending" onClose={onCancel}>
      <h2 id="ending">End {ending.what}?</h2>
      <p>The user has to sign in again. This holds on all servers, and can't be undone.</p>
      <div>
        <button type="button" class="plain" onClick={() => ref.current!.close()}>
          Keep
        </button>
        <button type="button" class="danger" onClick={() => onConfirm(ending)}>
          End
        </button>
      </div>
    </dialog>
  );
}
