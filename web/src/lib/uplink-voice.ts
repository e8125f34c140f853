/** How much the own voice may use of an uplink that does not hold it: browsers hold a picture to what the link carries, but
 * send sound at its full rate into a queue that then stands for good. Pure, in virtual time. */

/** What the microphone needs on the wire: 32 kbit/s of Opus, and 50 packets a second of some 60 bytes of headers. */
export const VOICE_BPS = 56_000;
/** Half the sound is still a clear voice, and with the headers two thirds of the wire: it fits 64 kbit/s with its repeats. */
export const LOW_VOICE_BPS = 16_000;
/** Of room beyond the full voice, for what is lost and sent again. */
const REPEATS = 1.1;
/** So long the link must be too thin: shorter dips are the estimate's own. */
export const LOWER_AFTER_MS = 2_000;
/** So long it must have had room before the full voice is tried again, at first and at most. */
export const VOICE_PATIENCE_MS = 15_000;
const MOST_PATIENCE_MS = 120_000;
/** A link with this much room needs no patience. */
const WIDE_BPS = 2 * VOICE_BPS;
const WIDE_AFTER_MS = 4_000;
/** A full voice that was kept this long has come back for good. */
const SETTLED_MS = 60_000;

export interface VoiceState {
  readonly low: boolean;
  /** Since when the link asks for the other of the two. */
  readonly sinceMs: number | null;
  readonly wideSinceMs: number | null;
  readonly patienceMs: number;
  readonly backAtMs: number | null;
}

export const VOICE: VoiceState = { low: false, sinceMs: null, wideSinceMs: null, patienceMs: VOICE_PATIENCE_MS, backAtMs: null };

/** The state after a look at the link: what the browser believes it to carry, bits per second. */
export function voiceStep(state: VoiceState, atMs: number, availableBps: number): VoiceState {
  return state.low ? raised(state, atMs, availableBps) : lowered(state, atMs, availableBps);
}

function lowered(state: VoiceState, atMs: number, availableBps: number): VoiceState {
  if (availableBps >= VOICE_BPS) return { ...state, sinceMs: null };
  const sinceMs = state.sinceMs ?? atMs;
  if (atMs - sinceMs < LOWER_AFTER_MS) return { ...state, sinceMs };
  const soon = state.backAtMs !== null && atMs - state.backAtMs < SETTLED_MS;
  const patienceMs = soon ? Math.min(MOST_PATIENCE_MS, state.patienceMs * 2) : VOICE_PATIENCE_MS;
  return { ...VOICE, low: true, patienceMs };
}

function raised(state: VoiceState, atMs: number, availableBps: number): VoiceState {
  const wideSinceMs = availableBps < WIDE_BPS ? null : (state.wideSinceMs ?? atMs);
  const sinceMs = availableBps < VOICE_BPS * REPEATS ? null : (state.sinceMs ?? atMs);
  const wide = wideSinceMs !== null && atMs - wideSinceMs >= WIDE_AFTER_MS;
  const patient = sinceMs !== null && atMs - sinceMs >= state.patienceMs;
  if (!wide && !patient) return { ...state, sinceMs, wideSinceMs };
  return { ...VOICE, patienceMs: state.patienceMs, backAtMs: atMs };
}
