/** How long things stand on the projector, by the server's clock. Pure: times in, what is shown out. */

import type { Poll, Timer } from "../../generated/messages";

/** A sign that nobody took up is no news any more: what was too fast then is over. */
export const SIGN_STANDS_MS = 60_000;
/** "The volunteer has seen it". */
export const SEEN_SHOWN_MS = 5_000;
/** Long enough to be read aloud, and to stand up. */
export const PICKED_SHOWN_MS = 8_000;
/** "Time is up". */
export const UP_SHOWN_MS = 10_000;
/** Of a timer that ended longer ago, as in a page that was asleep, no bell rings. */
const RINGS_WITHIN_MS = 2_000;
/** A result that nobody closed: talked about, then in the way. */
export const RESULT_STANDS_MS = 120_000;

/** Milliseconds until a sign takes itself back; 0: now. */
export function signLeftMs(givenAtMs: number, nowMs: number): number {
  return Math.max(0, Math.min(SIGN_STANDS_MS, givenAtMs + SIGN_STANDS_MS - nowMs));
}

/** Whole seconds since then; never less than 0, however the clocks differ. */
export function waitedS(sinceMs: number, nowMs: number): number {
  return Math.max(0, Math.floor((nowMs - sinceMs) / 1000));
}

export interface TimerLook {
  readonly state: "off" | "running" | "up";
  /** As a clock shows them: 1 until the very end. */
  readonly leftS: number;
}

export function timerLook(timer: Timer | null, nowMs: number): TimerLook {
  if (timer === null) return { state: "off", leftS: 0 };
  const leftMs = endOf(timer) - nowMs;
  if (leftMs > 0) return { state: "running", leftS: Math.min(timer.seconds, Math.ceil(leftMs / 1000)) };
  return { state: leftMs > -UP_SHOWN_MS ? "up" : "off", leftS: 0 };
}

/** Milliseconds until the bell; null: it has rung, or should have long ago. */
export function bellInMs(timer: Timer | null, nowMs: number): number | null {
  if (timer === null) return null;
  const leftMs = endOf(timer) - nowMs;
  return leftMs > -RINGS_WITHIN_MS ? Math.max(0, leftMs) : null;
}

function endOf(timer: Timer): number {
  return timer.at_ms + timer.seconds * 1000;
}

/** A question of this page.
 *
 * `changedAtMs`: when its state last changed while this page saw it; null: it was so when the page came. `closed`: somebody
 * here has seen enough of the result, or the volunteer showed something new. */
export interface Asked {
  readonly poll: Poll;
  readonly changedAtMs: number | null;
  readonly closed: boolean;
}

/** Does the question stand on the projector? Open ones do; results only where the class saw them come. */
export function stands({ poll, changedAtMs, closed }: Asked, nowMs: number): boolean {
  if (poll.state === "open") return true;
  return !closed && changedAtMs !== null && nowMs - changedAtMs < RESULT_STANDS_MS;
}
