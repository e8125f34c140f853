/** The clock of the time line, as well as a page can know it: from what the server says with a time, and from pings and their
 * answers. Pure: readings and the page's own steady clock in, the server's time out. Knows no socket.
 *
 * A message that was sent at `at_ms` and is here at `now` proves that the server's clock is at least `at_ms` by now; the
 * answer to a ping also proves that it is at most that and the round trip. The quickest round trip bounds it best.
 */

export interface ServerClock {
  /** Add this to the page's clock; null: nothing was heard yet. */
  readonly offsetMs: number | null;
  /** How far it may be wrong, either way; infinite before the first round trip. */
  readonly withinMs: number;
  /** When that was measured, on the page's clock. */
  readonly atMs: number;
}

export const UNKNOWN: ServerClock = { offsetMs: null, withinMs: Infinity, atMs: 0 };

/** Clocks of cheap computers drift by up to 100 ms in 1,000 s: an old reading grows less sure by this share of its age. */
const DRIFT = 0.0001;
/** Two readings that lie further apart than they can both be right by: one of the clocks was set anew. */
const SET_ANEW_MS = 2_000;

/** The clock after the answer to a ping of `sentMs`, heard at `nowMs`; `serverMs` is what it says. */
export function afterPong(clock: ServerClock, serverMs: number, sentMs: number, nowMs: number): ServerClock {
  const withinMs = Math.max(0, nowMs - sentMs) / 2;
  const read: ServerClock = { offsetMs: serverMs + withinMs - nowMs, withinMs, atMs: nowMs };
  if (clock.offsetMs === null) return read;
  const unsureMs = clock.withinMs + (nowMs - clock.atMs) * DRIFT;
  const apart = Math.abs((read.offsetMs ?? 0) - clock.offsetMs);
  if (apart > unsureMs + withinMs + SET_ANEW_MS) return read;
  return withinMs <= unsureMs ? read : clock;
}

/** The clock after any message that the server sent at `serverMs`: until a round trip was measured, the latest it can be. */
export function afterStamp(clock: ServerClock, serverMs: number, nowMs: number): ServerClock {
  if (clock.withinMs !== Infinity) return clock;
  const offsetMs = serverMs - nowMs;
  if (clock.offsetMs !== null && offsetMs <= clock.offsetMs) return clock;
  return { offsetMs, withinMs: Infinity, atMs: nowMs };
}

/** The server's time at `nowMs`; null: nothing was heard yet. */
export function serverTime(clock: ServerClock, nowMs: number): number | null {
  return clock.offsetMs === null ? null : nowMs + clock.offsetMs;
}
