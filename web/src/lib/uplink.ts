/** How a page's own uplink is shared: the sound first, then the screen, then the camera. Pure: samples of what the link
 * carries go in, what may be sent comes out, so that every rule is tested in virtual time.
 *
 * Going down is fast and climbing is slow, and slower after each climb that failed: a picture that comes and goes is worse
 * than one that stays away.
 */

import type { Allowed } from "./encodings";
import { LOW_VOICE_BPS, VOICE, VOICE_BPS, type VoiceState, voiceStep } from "./uplink-voice";

export { VOICE_BPS };
/** Below the voice and this much more a picture would take from the voice: no picture fits in it. */
export const LEAST_PICTURE_BPS = 60_000;
/** So long the link must be too thin before a picture goes: shorter dips are the estimate's own. */
export const PAUSE_AFTER_MS = 4_000;
/** With less than half of that beside the voice, the picture is already drowning it: no dip is as deep. */
const DEEP_BPS = LEAST_PICTURE_BPS / 2;
export const PAUSE_DEEP_AFTER_MS = 2_000;
/** After a return the estimate needs this long to find out what the link carries, as it saw only sound before. */
export const TRY_MS = 8_000;
/** So long a link must have had room before a picture is tried again, at first. */
export const PATIENCE_MS = 15_000;
/** And at most: somebody may be waiting to be seen. */
export const MOST_PATIENCE_MS = 120_000;
/** A picture that stayed this long has come back for good. */
export const SETTLED_MS = 60_000;
/** One step up after this long with room for it. */
export const CLIMB_AFTER_MS = 5_000;
/** The same while no step has been too much yet: so long a browser needs to see that a link does not hold what it is given,
 *  as what it believes of a link at first is not measured. */
export const FIRST_CLIMB_AFTER_MS = 2_000;

/** The rates of a camera without layers, bits per second: from a slide show to a small picture that moves. */
export const STEPS_BPS = [60_000, 90_000, 130_000, 180_000, 250_000] as const;

/** The step of a camera in a browser that tells no rate: what most links carry. */
const UNTOLD_STEP = 2;

/** What of the pictures rests: nothing, the camera, or the screen as well. */
export type Rest = "none" | "camera" | "pictures";

/** What was seen of the link at one moment. */
export interface UplinkSample {
  readonly atMs: number;
  /** What the browser believes the link to carry, bits per second; null where it does not say. */
  readonly availableBps: number | null;
  /** What the own sound takes of the link, bits per second; left out: the plain voice. */
  readonly soundBps?: number | undefined;
  /** A camera, or a screen, would be sent now if it may. */
  readonly camera: boolean;
  readonly screen: boolean;
}

export interface UplinkState {
  readonly rest: Rest;
  /** The limit of a camera without layers, as a place in `STEPS_BPS`. */
  readonly step: number;
  /** Since when the link has been too thin, or has had room for more; null: it is neither. */
  readonly thinSinceMs: number | null;
  readonly roomSinceMs: number | null;
  /** Since when the present `step` has had room for the next one, or the browser has told nothing. */
  readonly climbSinceMs: number | null;
  /** No step has been too much yet. */
  readonly fresh: boolean;
  /** How long the next return waits. */
  readonly patienceMs: number;
  /** When the pictures last came back; null: they never went. */
  readonly backAtMs: number | null;
  /** The own sound, which a very thin link does not hold either. */
  readonly voice: VoiceState;
}

/** The first step is the lowest: more than a thin link holds would drown the first words of a class. A good line is at the
 *  top within ten seconds. */
export const UPLINK: UplinkState = {
  rest: "none",
  step: 0,
  thinSinceMs: null,
  roomSinceMs: null,
  climbSinceMs: null,
  fresh: true,
  patienceMs: PATIENCE_MS,
  backAtMs: null,
  voice: VOICE,
};

/** The state after `sample`. */
export function uplinkStep(before: UplinkState, sample: UplinkSample): UplinkState {
  const { atMs, availableBps } = sample;
  if (availableBps === null) return untold(before, sample);
  const state = { ...before, voice: voiceStep(before.voice, atMs, availableBps) };
  const sending = (sample.camera && state.rest === "none") || (sample.screen && state.rest !== "pictures");
  const next = state.rest === "none" ? settled(stepped(state, sample), atMs) : state;
  if (sending && availableBps < soundBps(sample) + LEAST_PICTURE_BPS) return thinner(next, sample);
  return roomier({ ...next, thinSinceMs: null }, sample);
}

function soundBps(sample: UplinkSample): number {
  return sample.soundBps ?? VOICE_BPS;
}

/** A browser that does not tell is left to its own congestion control, and its camera to a middling rate. */
function untold(state: UplinkState, { atMs, camera }: UplinkSample): UplinkState {
  const since = camera ? (state.climbSinceMs ?? atMs) : null;
  const step = since !== null && atMs - since >= CLIMB_AFTER_MS ? Math.max(state.step, UNTOLD_STEP) : state.step;
  return { ...state, step, thinSinceMs: null, roomSinceMs: null, climbSinceMs: since };
}

function thinner(state: UplinkState, sample: UplinkSample): UplinkState {
  const { atMs, availableBps, camera } = sample;
  const after = (availableBps ?? 0) < soundBps(sample) + DEEP_BPS ? PAUSE_DEEP_AFTER_MS : PAUSE_AFTER_MS;
  const since = state.thinSinceMs ?? atMs;
  const trying = state.backAtMs !== null && atMs - state.backAtMs < TRY_MS;
  if (trying || atMs - since < after) return { ...state, thinSinceMs: since, roomSinceMs: null };
  const soon = state.backAtMs !== null && atMs - state.backAtMs < SETTLED_MS;
  return {
    ...state,
    rest: state.rest === "none" && camera ? "camera" : "pictures",
    thinSinceMs: null,
    roomSinceMs: null,
    climbSinceMs: null,
    fresh: false,
    step: 0,
    patienceMs: soon ? Math.min(MOST_PATIENCE_MS, state.patienceMs * 2) : state.patienceMs,
  };
}

/** With nothing but sound on it a link shows little of what it could carry: room is that the sound fits. What a picture
 *  does to it is seen when it is tried. */
function roomier(state: UplinkState, sample: UplinkSample): UplinkState {
  const { atMs, availableBps } = sample;
  if (state.rest === "none") return { ...state, roomSinceMs: null };
  if ((availableBps ?? 0) < soundBps(sample) || state.voice.low) return { ...state, roomSinceMs: null };
  const since = state.roomSinceMs ?? atMs;
  if (atMs - since < state.patienceMs) return { ...state, roomSinceMs: since };
  return { ...state, rest: state.rest === "pictures" ? "camera" : "none", roomSinceMs: null, backAtMs: atMs };
}

function settled(state: UplinkState, atMs: number): UplinkState {
  const long = state.backAtMs !== null && atMs - state.backAtMs >= SETTLED_MS;
  return long ? { ...state, backAtMs: null, patienceMs: PATIENCE_MS } : state;
}

/** The limit of a camera without layers: down at once to what is left, up one step at a time while one is sent. */
function stepped(state: UplinkState, sample: UplinkSample): UplinkState {
  const { atMs, availableBps, camera } = sample;
  const left = (availableBps ?? 0) - soundBps(sample);
  const fits = STEPS_BPS.reduce((best, bps, place) => (bps <= left ? place : best), 0);
  if (fits < state.step) return { ...state, step: fits, climbSinceMs: null, fresh: false };
  // What a link holds shows only while something is sent.
  if (fits === state.step || !camera) return { ...state, climbSinceMs: null, fresh: state.fresh && left >= STEPS_BPS[0] };
  const since = state.climbSinceMs ?? atMs;
  if (atMs - since < (state.fresh ? FIRST_CLIMB_AFTER_MS : CLIMB_AFTER_MS)) return { ...state, climbSinceMs: since };
  return { ...state, step: state.step + 1, climbSinceMs: atMs };
}

/** What may be sent in this state. */
export function allowed(state: UplinkState): Allowed {
  return {
    camera: state.rest === "none",
    screen: state.rest !== "pictures",
    cameraBps: STEPS_BPS[state.step] ?? null,
    voiceBps: state.voice.low ? LOW_VOICE_BPS : null,
  };
}
