/** Holds the pointer back until the sound that was said with it is heard: a class that listens lags by choice, and "this one"
 * must be heard where it points. Slides and strokes stay without it: they explain themselves, and are there when the words come.
 * Pure: events and times in, those that are due out, in their order. */

import type { Happened } from "../../generated/messages";

/** No sound is buffered deeper. A measurement that says so is wrong. */
export const MOST_MS = 3_500;
/** A lag that nobody notices is none. */
export const LEAST_MS = 150;

/** How the room's sound lags. All but `lagMs` come from the clock of the time line. */
export interface Lag {
  /** What is heard now waited so long in the buffer; 0: nothing live is heard. */
  readonly lagMs: number;
  /** Add this to the page's clock to have the server's; null: not known. */
  readonly offsetMs: number | null;
  /** What a packet takes from the server to here. */
  readonly wayMs: number;
}

interface Waiting {
  readonly happened: Happened;
  readonly heardMs: number;
}

/** When it is to be seen, on the page's clock: with the sound that the server sent at the same time, never before it is here,
 * and a message that came late on a lossy link is not held back longer for that. */
export function dueMs(atMs: number, heardMs: number, lag: Lag): number {
  if (lag.lagMs < LEAST_MS) return heardMs;
  const lagMs = Math.min(MOST_MS, lag.lagMs);
  const sentMs = lag.offsetMs === null ? heardMs : atMs - lag.offsetMs + lag.wayMs;
  return Math.min(heardMs + lagMs, Math.max(heardMs, sentMs + lagMs));
}

export class Delay {
  private waiting: Waiting[] = [];

  add(happened: Happened, heardMs: number): void {
    this.waiting.push({ happened, heardMs });
  }

  /** All that is due. */
  take(nowMs: number, lag: Lag): readonly Happened[] {
    let due = 0;
    for (const { happened, heardMs } of this.waiting) {
      if (dueMs(happened.at_ms, heardMs, lag) > nowMs) break;
      due++;
    }
    return this.waiting.splice(0, due).map((one) => one.happened);
  }

  /** When the next is due; null: nothing waits. */
  nextMs(lag: Lag): number | null {
    const [next] = this.waiting;
    return next === undefined ? null : dueMs(next.happened.at_ms, next.heardMs, lag);
  }

  clear(): void {
    this.waiting = [];
  }
}
