/** What this room heard last, kept in the browser, so that a PC that was switched off knows what it has missed. */

import { LESSON_AT_MOST_MS } from "./catchup";
import { note, noted } from "./lasting";
import { recall, remember } from "./storage";

/** Kept this often: so much at most is heard twice after a power cut. Storage is slow on old disks. */
export const KEEP_EVERY_MS = 3_000;

/** The kept text for `wallMs`, heard when the server's clock was `offsetMs` ahead of this one's. */
export function kept(wallMs: number, offsetMs: number): string {
  return `${Math.round(wallMs)},${Math.round(offsetMs)}`;
}

/** What `text` says was heard last in this lesson, if a lesson can be that long: a room that was away for most of it may
 * still jump, and whoever wants the rest has it.
 *
 * @param now this computer's clock, ms since 1970
 * @param offsetMs what to add to have the server's clock, null while it is not known: then the kept one is taken
 */
export function lastHeard(text: string | null, now: number, offsetMs: number | null): number | null {
  const match = /^(\d{12,14}),(-?\d{1,14})$/.exec(text ?? "");
  if (match === null) return null;
  const wall = Number(match[1]);
  const age = now + (offsetMs ?? Number(match[2])) - wall;
  // A computer without a clock battery wakes up in another year: then nothing is known, and the room starts live.
  return age >= 0 && age <= LESSON_AT_MOST_MS ? wall : null;
}

const key = (lesson: string): string => `heard.${lesson}`;

/** The later one of two texts; what was heard later is known better. */
export function later(one: string | null, other: string | null): string | null {
  if (one === null || other === null) return one ?? other;
  return (parseInt(one, 10) || 0) >= (parseInt(other, 10) || 0) ? one : other;
}

export async function recallHeard(lesson: string, offsetMs: () => number | null): Promise<number | null> {
  const text = later(recall(key(lesson)), await noted(key(lesson)));
  return lastHeard(text, Date.now(), offsetMs());
}

export function keepHeard(lesson: string, wallMs: number, offsetMs: number): void {
  const text = kept(wallMs, offsetMs);
  remember(key(lesson), text);
  void note(key(lesson), text);
}
