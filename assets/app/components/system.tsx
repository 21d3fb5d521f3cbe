// How the server is doing beside counting: whether the data could be restored, and a banner where somebody must look.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { getSystem, type Snapshots, type System } from "../api.ts";
import { moment, sentence } from "../format.ts";
import { useRefresh } from "../refresh.ts";
import { app, say } from "../session.ts";

const refreshMs = 60_000;

export const system = signal<System | null>(null);

export async function loadSystem(): Promise<void> {
  if (!app.value?.user) return; // a demo has none
  try {
    system.value = await getSystem();
  } catch (err) {
    say(err); // what was known stays: the server may be restarting
  }
}

/** SnapshotBanner shows what keeps snapshots from being made. It also fetches what SnapshotLine shows. */
export function SnapshotBanner() {
  useEffect(() => void loadSystem(), [app.value?.user?.email]);
  useRefresh(() => void loadSystem(), refreshMs);
  const s = system.value?.snapshots;
  if (!s?.problem) return null;
  return (
    <div class="alarm" role="alert" data-testid="snapshot-banner">
      {s.fenced ? (
        <><strong>Snapshots have stopped.</strong> Another instance makes them in this one's place. If this is the one to go on, say <code>footfall snapshot adopt</code>; if it is a copy, give it another prefix.</>
      ) : (
        <><strong>Snapshots are late.</strong> {sentence(s.problem)} <code>footfall snapshot status</code> tells more.</>
      )}{" "}
      Visits are counted all the same.
    </div>
  );
}

/** SnapshotLine says up to when the data could be restored, and when that was last proven. */
export function SnapshotLine() {
  const s = system.value?.snapshots;
  if (!s) return null;
  return <p class="menu-head faint" data-testid="snapshot-line">{sayRestorable(s)}; {sayProven(s)}</p>;
}

function sayRestorable(s: Snapshots): string {
  if (s.fenced) return "Snapshots have stopped";
  if (!s.restorable_to) return "Nothing can be restored yet";
  return s.settled ? "Restorable up to now" : `Restorable up to ${moment(s.restorable_to)}`;
}

function sayProven(s: Snapshots): string {
  if (s.failed) return `the drill of ${moment(s.failed)} failed`;
  return s.proven ? `last proven ${moment(s.proven)}` : "never proven yet";
}
