/** What this room heard last, kept in the browser, so that a PC that was switched off knows what it has missed. */

import { NEWCOMER_AFTER_MS } from "./catchup";
import { recall, remember } from "./storage";

/** Kept this often at most: storage is slow on old disks. */
export const KEEP_EVERY_MS = 2_000;

/** The kept text for `wallMs`, heard when the server's clock was `offsetMs` ahead of this one's. */
export function kept(wallMs: number, offsetMs: number): string {
  return `${Math.round(wallMs)},${Math.round(offsetMs)}`;
}

/** What `text` says was heard last, if that is recent enough to go on from.
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
  return age >= 0 && age <= NEWCOMER_AFTER_MS ? wall : null;
}

const key = (lesson: string): string => `heard.${lesson}`;

export function recallHeard(lesson: string, offsetMs: number | null): number | null {
  return lastHeard(recall(key(lesson)), Date.now(), offsetMs);
}

export function keepHeard(lesson: string, wallMs: number, offsetMs: number): void {
  remember(key(lesson), kept(wallMs, offsetMs));
}
