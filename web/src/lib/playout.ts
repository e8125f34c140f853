/** How deep this page buffers what it plays: a class that listens lags by choice so that retransmission heals the loss; a
 * class that is called on has the least delay. Pure: measurements and time in, a target out. It knows no receiver; who
 * applies the target is `playout-apply`.
 *
 * Facts of Chromium 156: a target that falls is followed by about 350 ms a second (speech is sped up), one that rises by
 * 130 ms a second; more than 3 s of 20 ms packets is never kept.
 */

/** Listening begins here: one lost packet and its lost repair at a round trip of 300 ms, with jitter. */
export const LISTEN_START_MS = 1_200;
export const LISTEN_LEAST_MS = 1_000;
/** The most that Chromium's jitter buffer keeps of 20 ms packets (three quarters of 200 packets). */
export const LISTEN_MOST_MS = 3_000;

/** A session begins with this: a browser that runs dry plays again when half of its target is there, which is 0.6 s of
 *  silence at the usual depth. */
export const WARM_UP_MS = 400;
export const WARM_UP_FOR_MS = 1_500;
/** What is made up this early says nothing of the line. */
export const JUDGED_FROM_MS = 4_000;

/** Deeper by this whenever sound still had to be made up. */
const DEEPER_MS = 300;
/** Shallower by this after each stretch without any. */
const SHALLOWER_MS = 100;
const CALM_MS = 20_000;
/** A share of made-up sound that is noticed. */
const CONCEALED = 0.005;
/** Repairs that may be lost themselves before the buffer runs dry. */
const TRIES = 2.5;
const SPARE_MS = 200;

/** What was measured since the last look. */
export interface Heard {
  readonly nowMs: number;
  readonly jitterMs: number;
  readonly rttMs: number | null;
  /** Loss before repair, 0 to 1; null where it is not known. */
  readonly loss: number | null;
  /** Share of the sound that was made up, 0 to 1; null where nothing was played. */
  readonly concealed: number | null;
}

export interface Depth {
  readonly listenMs: number;
  readonly calmSinceMs: number;
}

export const START: Depth = { listenMs: LISTEN_START_MS, calmSinceMs: 0 };

/** The depth for listening after one more measurement. */
export function deepened(depth: Depth, heard: Heard): Depth {
  const least = leastDepth(heard);
  if (heard.concealed !== null && heard.concealed > CONCEALED) {
    return { listenMs: Math.min(LISTEN_MOST_MS, Math.max(least, depth.listenMs + DEEPER_MS)), calmSinceMs: heard.nowMs };
  }
  if (depth.listenMs < least) return { listenMs: least, calmSinceMs: heard.nowMs };
  if (heard.nowMs - depth.calmSinceMs < CALM_MS) return depth;
  return { listenMs: Math.max(least, depth.listenMs - SHALLOWER_MS), calmSinceMs: heard.nowMs };
}

/** What repairs need by the figures of the link alone, milliseconds. */
function leastDepth(heard: Heard): number {
  const rtt = heard.rttMs ?? 0;
  const tries = heard.loss !== null && heard.loss > 0.02 ? TRIES : 1.5;
  const wanted = tries * rtt + 4 * heard.jitterMs + SPARE_MS;
  return Math.min(LISTEN_MOST_MS, Math.max(LISTEN_LEAST_MS, Math.round(wanted / 50) * 50));
}

/** After a call began the buffer drains by itself this long; what is left then is thrown away. */
export const DRAIN_MS = 1_400;
/** Less than this is no delay that a talk suffers from. */
export const TALK_DELAY_MS = 350;

/** True when the sound should be flushed now: the class speaks, and the drained buffer still holds too much. */
export function mustFlush(calledForMs: number, delayMs: number | null): boolean {
  return calledForMs >= DRAIN_MS && delayMs !== null && delayMs > TALK_DELAY_MS;
}
