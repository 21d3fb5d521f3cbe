// A button that opens a small panel under itself: a menu, or a form. Escape, Tab out and a press elsewhere close it.

import { type Signal, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useLayoutEffect, useRef } from "preact/hooks";

interface Props {
  button: ComponentChildren;
  /** What the panel is called; the button too where it shows only an icon. */
  name: string;
  icon?: boolean;
  kind: "menu" | "dialog";
  class?: string;
  testid?: string;
  align?: "start" | "end";
  /** Lets others open the panel. */
  open?: Signal<boolean>;
  children: (close: () => void) => ComponentChildren;
}

export function Popover({ button, name, icon = false, kind, class: extra = "", testid, align = "start", open: outer, children }: Props) {
  const inner = useSignal(false);
  const open = outer ?? inner;
  const root = useRef<HTMLDivElement>(null);
  const trigger = useRef<HTMLButtonElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const id = useId();

  const close = () => {
    if (panel.current?.contains(document.activeElement)) trigger.current?.focus();
    open.value = false;
  };

  useEffect(() => {
    if (!open.value) return;
    const outside = (e: Event) => {
      if (e.target instanceof Node && !root.current?.contains(e.target)) open.value = false;
    };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("focusin", outside);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("focusin", outside);
    };
  }, [open.value]);

  useLayoutEffect(() => {
    if (!open.value || !panel.current) return;
    const place = () => panel.current && keepOnScreen(panel.current);
    place();
    const find = (what: string) => panel.current?.querySelector<HTMLElement>(what);
    (find("[data-autofocus]") ?? find("[aria-checked=true]") ?? find("[role^=menuitem]"))?.focus({ preventScroll: true });
    addEventListener("resize", place);
    return () => removeEventListener("resize", place);
  }, [open.value, kind]);

  return (
    <div
      class={`popover ${extra}`}
      ref={root}
      onKeyDown={(e) => {
        if (!open.value) return;
        if (e.key === "Escape") {
          e.stopPropagation();
          close();
        } else if (kind === "menu") {
          walk(e, panel.current);
        }
      }}
    >
      <button
        type="button"
        class="button"
        ref={trigger}
        aria-haspopup={kind}
        aria-expanded={open.value}
        aria-controls={open.value ? id : undefined}
        aria-label={icon ? name : undefined}
        title={icon ? name : undefined}
        data-testid={testid}
        onClick={() => (open.value = !open.value)}
      >
        {button}
      </button>
      {open.value && (
        <div class={`popover-panel ${align}`} id={id} role={kind} aria-label={name} ref={panel}>
          {children(close)}
        </div>
      )}
    </div>
  );
}

/** keepOnScreen moves a panel that sticks out of a narrow window back into it. */
function keepOnScreen(el: HTMLElement): void {
  const margin = 8;
  el.style.translate = "";
  const box = el.getBoundingClientRect();
  const right = document.documentElement.clientWidth - margin;
  const move = box.right > right ? right - box.right : box.left < margin ? margin - box.left : 0;
  if (move !== 0) el.style.translate = `${Math.max(move, margin - box.left)}px 0`;
}

/** walk moves the focus between a menu's items. */
function walk(e: KeyboardEvent, panel: HTMLElement | null): void {
  const items = [...(panel?.querySelectorAll<HTMLElement>("[role^=menuitem]:not([aria-disabled=true])") ?? [])];
  const at = items.indexOf(document.activeElement as HTMLElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[e.key];
  if (to === undefined || items.length === 0) return;
  e.preventDefault();
  e.stopPropagation();
  items[(to + items.length) % items.length]?.focus();
}

interface ItemProps {
  onSelect: () => void;
  checked?: boolean;
  hint?: string | undefined;
  children: ComponentChildren;
}

/** MenuItem is one line of a menu; with checked it is one of several to choose from. */
export function MenuItem({ onSelect, checked, hint, children }: ItemProps) {
  return (
    <button type="button" class="menu-item" role={checked === undefined ? "menuitem" : "menuitemradio"} aria-checked={checked} tabIndex={-1} onClick={onSelect}>
      <span>{children}</span>
      {hint && <kbd aria-hidden="true">{hint}</kbd>}
    </button>
  );
}
