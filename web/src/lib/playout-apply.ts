/** Tells the receivers how deep to buffer, in whichever words the browser has. */

import type { Seat } from "./whep";

type Buffered = { jitterBufferTarget?: number | null; playoutDelayHint?: number | null };

/** Sound and picture get the same target, so that they stay in step. `targetMs` 0: as little as the browser can. */
export function applyTarget(seats: readonly Seat[], targetMs: number): void {
  for (const seat of seats) {
    const receiver = seat.receiver as Buffered;
    try {
      if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = targetMs;
      else if ("playoutDelayHint" in receiver) receiver.playoutDelayHint = targetMs / 1000;
    } catch {
      // The browser's own depth will do.
    }
  }
}
