/** Which of its rates the own sound has, where a mode gives several (music): down soon where the uplink does not hold it,
 * up slowly where there is room to spare. Pure, in virtual time. The plain voice has its own rule (`uplink-voice`). */

/** 50 packets a second with IP, UDP, RTP and SRTP. */
export const HEADERS_BPS = 24_000;
/** So long the link must be too thin: shorter dips are the estimate's own. */
export const DOWN_AFTER_MS = 2_000;
/** So long, and by so much more, it must have room for the next better rate. */
export const UP_AFTER_MS = 8_000;
export const UP_ROOM = 1.3;

export interface SoundState {
  /** The place in the mode's rates, the best first. */
  readonly place: number;
  readonly thinSinceMs: number | null;
  readonly roomSinceMs: number | null;
}

export const SOUND: SoundState = { place: 0, thinSinceMs: null, roomSinceMs: null };

/** What sound of this rate takes of the link. */
export function onTheWire(bitsPerSecond: number): number {
  return bitsPerSecond + HEADERS_BPS;
}

/** The state after a look at the link.
 *
 * @param availableBps what the browser believes it to carry; null where it does not say: the rate stays
 */
export function soundStep(state: SoundState, rates: readonly number[], atMs: number, availableBps: number | null): SoundState {
  const place = Math.min(state.place, rates.length - 1);
  if (availableBps === null) return { place, thinSinceMs: null, roomSinceMs: null };
  if (availableBps < onTheWire(rates[place] ?? 0) && place + 1 < rates.length) {
    const thinSinceMs = state.thinSinceMs ?? atMs;
    if (atMs - thinSinceMs < DOWN_AFTER_MS) return { place, thinSinceMs, roomSinceMs: null };
    return { place: place + 1, thinSinceMs: null, roomSinceMs: null };
  }
  if (place === 0 || availableBps < UP_ROOM * onTheWire(rates[place - 1] ?? 0)) return { place, thinSinceMs: null, roomSinceMs: null };
  const roomSinceMs = state.roomSinceMs ?? atMs;
  if (atMs - roomSinceMs < UP_AFTER_MS) return { place, thinSinceMs: null, roomSinceMs };
  return { place: place - 1, thinSinceMs: null, roomSinceMs: null };
}
