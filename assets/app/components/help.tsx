// The list of keyboard shortcuts.

import { useLayoutEffect, useRef } from "preact/hooks";
import { helpOpen, shortcuts } from "../keys.ts";
import { Cross } from "./icons.tsx";

export function Help() {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    <dialog class="help-dialog" ref={dialog} aria-label="Keyboard shortcuts" onClose={() => (helpOpen.value = false)} onClick={(e) => { if (e.target === dialog.current) dialog.current?.close(); }}>
      <div class="details-in">
        <header class="details-bar">
          <h2>Keyboard shortcuts</h2>
          <button type="button" class="button ghost" aria-label="Close" onClick={() => dialog.current?.close()}><Cross /></button>
        </header>
        <dl class="shortcuts">
          {shortcuts.map(([key, what]) => (
            <div key={key}>
              <dt><kbd>{key}</kbd></dt>
              <dd>{what}</dd>
            </div>
          ))}
        </dl>
      </div>
    </dialog>
  );
}
