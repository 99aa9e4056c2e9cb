// Whether an element is in view, or nearly, so that what nobody sees is not drawn.

import type { RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";

export function useInView(ref: RefObject<Element | null>): boolean {
  const [isInView, setIsInView] = useState(false);
  useEffect(() => {
    const observer = new IntersectionObserver((entries) => setIsInView(entries.at(-1)!.isIntersecting), {
      rootMargin: "200px",
    });
    observer.observe(ref.current!);
    return () => observer.disconnect();
  }, [ref]);
  return isInView;
}
