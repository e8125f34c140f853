/** What the replay page shows, derived from the answer of the API. Pure. */

import type { Replay } from "../lib/api";

/** `waiting`: the lesson has not begun. `preparing`: it runs, and its first seconds are being written. `unrecorded`: it
 * runs without a recording. `nothing`: it is over, and there is none. */
export type View = "play" | "waiting" | "preparing" | "unrecorded" | "nothing";

export function viewOf(replay: Replay): View {
  if (replay.main !== null) return "play";
  if (replay.lesson.state === "waiting") return "waiting";
  if (replay.lesson.state === "ended") return "nothing";
  return replay.recording.state === "off" ? "unrecorded" : "preparing";
}

/** Whether the replay may still grow. */
export function isGrowing(replay: Replay): boolean {
  return replay.lesson.state !== "ended" || !settled(replay);
}

function settled(replay: Replay): boolean {
  const { state } = replay.recording;
  return state === "finished" || state === "stopped" || state === "off";
}

/** Milliseconds until the API is asked again; null: nothing more will come. */
export function askAgainMs(replay: Replay): number | null {
  if (!isGrowing(replay)) return null;
  return viewOf(replay) === "preparing" ? 2000 : 5000;
}

/** Milliseconds until the API is asked again after `failures` failures in a row: 1, 2, 4, 8, then 15 s, spread by a
 * random number in [0, 1) so that a whole school does not come back in the same second. */
export function retryMs(failures: number, random: number): number {
  return Math.min(15_000, 1000 * 2 ** Math.min(failures, 4)) * (0.75 + random / 2);
}

/** The answers that no retry can change: the link is wrong, withdrawn, or its lesson was deleted. */
export function isFinal(status: number): boolean {
  return status === 401 || status === 403 || status === 404 || status === 410;
}

/** The answers to a media request that say its signed address has expired. */
export function isExpired(status: number): boolean {
  return status === 401 || status === 403 || status === 410;
}

/** What is done when media stop coming: `load` goes on with the same address, `reopen` asks for a fresh one and begins anew
 * at the same place. */
export type Remedy = "load" | "reopen";

/** Whether a remedy takes the place of the one that is due or under way; null: there is none. */
export function takesOver(next: Remedy, now: Remedy | null): boolean {
  return now === null || (now === "load" && next === "reopen");
}

/** A place worth jumping to. */
export interface Moment {
  readonly kind: "part" | "screen" | "voice" | "classroom";
  readonly at_s: number;
  readonly name: string;
  /** Milliseconds since 1970, for `part`: when the lesson went on. */
  readonly began_at_ms: number;
}

/** Where screens, second voices and classrooms begin, and where the parts of a broken lesson join; in order. */
export function momentsOf(replay: Replay): readonly Moment[] {
  const joins = replay.parts.slice(1).map(
    (part): Moment => ({ kind: "part", at_s: part.starts_at_s, name: "", began_at_ms: part.began_at_ms }),
  );
  const clips = replay.clips.map(
    (clip): Moment => ({ kind: clip.kind, at_s: clip.starts_at_s, name: clip.name, began_at_ms: 0 }),
  );
  return joins.concat(clips).sort((a, b) => a.at_s - b.at_s);
}

/** Which of the clips that are on takes the stage: the newest screen; else the main picture does (null). */
export function onStage(clips: Replay["clips"], on: readonly string[]): string | null {
  let newest: Replay["clips"][number] | null = null;
  for (const clip of clips) {
    if (clip.kind !== "screen" || on.indexOf(clip.id) < 0) continue;
    if (newest === null || clip.starts_at_s >= newest.starts_at_s) newest = clip;
  }
  return newest === null ? null : newest.id;
}

/** The same list object for the same list, so that nothing is drawn again each tick. */
export function sameList(old: readonly string[], next: readonly string[]): readonly string[] {
  return old.length === next.length && old.every((one, i) => one === next[i]) ? old : next;
}
