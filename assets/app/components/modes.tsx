// What becomes of events that a rule is about: three buttons, one of them pressed.

import type { RuleMode } from "../api.ts";
import { modes } from "../rules.ts";

interface Props {
  /** What the rule is called, for those who do not see what stands beside it. */
  of: string;
  mode: RuleMode;
  /** Left out, all can be chosen. */
  among?: readonly RuleMode[] | undefined;
  onMode: (mode: RuleMode) => void;
}

export function ModePicker({ of, mode, among = modes.map((m) => m.mode), onMode }: Props) {
  return (
    <div class="segments" role="group" aria-label={`Mode of ${of}`}>
      {modes.filter((m) => among.includes(m.mode)).map((m) => (
        <button key={m.mode} type="button" aria-pressed={mode === m.mode} title={m.help} onClick={() => { if (mode !== m.mode) onMode(m.mode); }}>{m.name}</button>
      ))}
    </div>
  );
}
