// Numbers that may still grow are asked for again: now and then while the page is seen, and when the reader comes back to it.

import { useEffect, useRef } from "preact/hooks";

/** Coming back to a window tells of itself twice: that it is seen, and that it has the focus. */
const atMostEveryMs = 1000;

/** useRefresh calls refresh every so many milliseconds, and on return to the page, perhaps from visiting the site. */
export function useRefresh(refresh: () => void, everyMs: number): void {
  const latest = useRef(refresh);
  latest.current = refresh;
  useEffect(() => {
    let last = 0;
    const wake = () => {
      if (document.hidden || Date.now() - last < atMostEveryMs) return;
      last = Date.now();
      latest.current();
    };
    const timer = setInterval(wake, everyMs);
    document.addEventListener("visibilitychange", wake);
    addEventListener("focus", wake);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", wake);
      removeEventListener("focus", wake);
    };
  }, [everyMs]);
}
