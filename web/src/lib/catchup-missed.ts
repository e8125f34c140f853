/** What a room has missed, as stretches of the lesson in the order in which they were said: what a call leaves unheard before
 * it, and again after it. Pure; walls in milliseconds of the server's clock. It knows no phases. */

/** A piece of the lesson; `toMs` null: it goes on into the live lesson. */
export interface Stretch {
  readonly fromMs: number;
  readonly toMs: number | null;
}

/** Two stretches that are closer than this are one: opening the recording anew takes about as long. */
const APART_MS = 5_000;
/** A room that is called on again and again owes no more stretches than this; the last ones are joined. */
const MOST = 8;

/** `missed` in order, without what is shorter than `worthMs`, and with what is close together as one. */
export function tidied(missed: readonly Stretch[], worthMs: number): readonly Stretch[] {
  const out: Stretch[] = [];
  for (const one of missed) {
    if (one.toMs !== null && one.toMs - one.fromMs <= worthMs) continue;
    const before = out[out.length - 1];
    if (before !== undefined && (before.toMs === null || one.fromMs - before.toMs < APART_MS || out.length >= MOST)) {
      out[out.length - 1] = { fromMs: before.fromMs, toMs: one.toMs };
    } else out.push(one);
  }
  return out;
}

/** The same, up to `nowMs` at most: from there on the room hears for itself. */
export function closed(missed: readonly Stretch[], nowMs: number): readonly Stretch[] {
  return missed.map(({ fromMs, toMs }) => ({ fromMs, toMs: Math.min(toMs ?? nowMs, nowMs) }));
}
