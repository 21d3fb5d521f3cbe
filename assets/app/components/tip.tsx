// The small (i) with an explanation. There is one bubble on the page; it stands beside the (i) that was pointed at.

import { signal } from "@preact/signals";
import { useId, useLayoutEffect, useRef } from "preact/hooks";

const shown = signal<{ text: string; anchor: DOMRect; owner: string } | undefined>(undefined);

export function Info({ about, text }: { about: string; text: string }) {
  const id = useId();
  const open = (e: Event) => {
    shown.value = { text, anchor: (e.currentTarget as HTMLElement).getBoundingClientRect(), owner: id };
  };
  const close = () => (shown.value = undefined);
  return (
    <>
      <button
        type="button"
        class="info"
        aria-label={`What “${about}” means`}
        aria-describedby={id}
        onPointerEnter={open}
        onPointerLeave={close}
        onFocus={open}
        onBlur={close}
        onClick={(e) => {
          e.stopPropagation();
          open(e);
        }}
        onKeyDown={(e) => {
          if (e.key === "Escape" && shown.value) {
            e.stopPropagation();
            close();
          }
        }}
      >
        i
      </button>
      <span id={id} hidden>{text}</span>
    </>
  );
}

/** Bubble is where the explanation appears; the page has one. */
export function Bubble() {
  const ref = useRef<HTMLDivElement>(null);
  const now = shown.value;
  useLayoutEffect(() => {
    const el = ref.current;
    if (!el || !now) return;
    const margin = 8;
    const width = document.documentElement.clientWidth;
    const left = now.anchor.left + now.anchor.width / 2 - el.offsetWidth / 2;
    el.style.left = `${Math.max(margin, Math.min(left, width - el.offsetWidth - margin))}px`;
    const below = now.anchor.bottom + 6;
    el.style.top = `${below + el.offsetHeight > innerHeight ? now.anchor.top - el.offsetHeight - 6 : below}px`;
  }, [now]);
  useLayoutEffect(() => {
    const hide = () => (shown.value = undefined);
    addEventListener("scroll", hide, { passive: true });
    addEventListener("resize", hide);
    return () => {
      removeEventListener("scroll", hide);
      removeEventListener("resize", hide);
    };
  }, []);
  return now ? <div class="bubble" ref={ref} aria-hidden="true">{now.text}</div> : null;
}
