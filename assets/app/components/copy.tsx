// A text somebody takes along: the snippet, or a link.

import { useSignal } from "@preact/signals";
import { Check, Copy } from "./icons.tsx";

/** CopyBox shows a text to be copied, and copies it. */
export function CopyBox({ text, testid }: { text: string; testid: string }) {
  const copied = useSignal(false);
  const copy = async () => {
    copied.value = await copyText(text);
    if (copied.value) setTimeout(() => (copied.value = false), 2000);
  };
  return (
    <div class="snippet">
      <pre data-testid={testid} tabIndex={0}><code>{text.split(" ").map((word, i) => <>{i > 0 && " "}<span class="word">{word}</span></>)}</code></pre>
      <button type="button" class="button" onClick={copy} data-testid={testid + "-copy"}>
        {copied.value ? <Check /> : <Copy />}
        <span aria-live="polite">{copied.value ? "Copied" : "Copy"}</span>
      </button>
    </div>
  );
}

/** copyText falls back to a selection where the clipboard API is closed, as it is on plain http. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "visually-hidden";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
