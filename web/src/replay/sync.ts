/** Keeps a clip (a screen share, a second voice, a classroom) in step with the main picture. Pure: readings in, one
 * correction out; it touches no element and reads no clock, so the tests run it in virtual time. */

/** Drift under this is left alone: nobody sees a mouth or a slide 80 ms late. */
export const DRIFT_NUDGED_S = 0.08;
/** A nudge goes on until the drift is this small, so that it does not switch on and off around the bound. */
export const DRIFT_SETTLED_S = 0.02;
/** Above this a nudge would take too long to catch up: jump. */
export const DRIFT_JUMPED_S = 0.5;
/** While the main picture stands still a jump costs nothing, and a still screen should be the right one. */
export const DRIFT_PAUSED_S = 0.04;
/** A nudge aims to be done after this long. */
const NUDGE_TIME_S = 1;
/** Speech that is sped up by more than this sounds odd, even with the pitch kept. */
const NUDGE_WITH_SOUND = 0.08;
const NUDGE_SILENT = 0.25;
/** A clip's data is fetched this long before it is shown, so that it is there in time on a slow link. */
export const PRELOAD_S = 20;
/** A clip that has just been played is kept this long: people jump back a little. */
const KEEP_S = 10;
/** After a jump the element needs time to show the new place; a second jump sooner would only restart the first. */
const JUMP_REST_S = 1.5;
/** A jump that took longer waited for the network, which says nothing of the next one. */
const LANDING_MAX_S = 1;
/** What Chromium and Safari accept for `playbackRate`. */
const RATE_MIN = 0.25;
const RATE_MAX = 4;

/** Where a clip stands in the replay, in seconds of replay time. `ended` false: it is still being recorded. */
export interface Span {
  readonly starts_at_s: number;
  readonly duration_s: number;
  readonly ended: boolean;
}

/** The main picture now: `running` is true while its time really advances (not paused, seeking or waiting for data). */
export interface MainReading {
  readonly position_s: number;
  readonly running: boolean;
  readonly rate: number;
}

/** The clip's element now. `available_s` is how much of the clip can be played, from its start. */
export interface ClipReading {
  readonly position_s: number;
  readonly available_s: number;
  readonly seeking: boolean;
  readonly hasData: boolean;
}

/** What is remembered between two corrections of one clip. */
export interface SyncState {
  readonly nudging: boolean;
  readonly jumped_at_s: number;
  /** A jump was made while playing, and nothing has been learnt from it yet. */
  readonly landing: boolean;
  /** How late a jump lands while the lesson plays on: learnt from the jumps before. */
  readonly landing_s: number;
}

export interface Correction {
  readonly play: boolean;
  readonly rate: number;
  /** Where to jump in the clip, or null. */
  readonly seek_s: number | null;
  readonly state: SyncState;
}

export const FRESH: SyncState = { nudging: false, jumped_at_s: Number.NEGATIVE_INFINITY, landing: false, landing_s: 0.1 };

/** Whether the clip is on at this moment of the replay. A clip still being recorded reaches to the end of what is there. */
export function isOn(clip: Span, position_s: number): boolean {
  if (position_s < clip.starts_at_s) return false;
  return !clip.ended || position_s < clip.starts_at_s + clip.duration_s;
}

/** Whether the clip's element should exist: on now, soon, or just over. */
export function isNear(clip: Span, position_s: number): boolean {
  if (position_s < clip.starts_at_s - PRELOAD_S) return false;
  return !clip.ended || position_s < clip.starts_at_s + clip.duration_s + KEEP_S;
}

/** How far the clip is ahead of the main picture (negative: behind), in seconds. */
export function drift(clip: Span, main: MainReading, reading: ClipReading): number {
  return reading.position_s - (main.position_s - clip.starts_at_s);
}

/** The next correction of a clip.
 *
 * @param hasSound nudges speech more gently than a silent screen
 * @param now_s a clock that only goes forward, in seconds
 */
export function steer(
  clip: Span,
  main: MainReading,
  reading: ClipReading,
  state: SyncState,
  hasSound: boolean,
  now_s: number,
): Correction {
  const wanted = main.position_s - clip.starts_at_s;
  if (!isOn(clip, main.position_s)) {
    // Soon on: stand at the first frame. Over: stop where it is.
    const waitsAtStart = wanted < 0 && reading.position_s > DRIFT_PAUSED_S && !reading.seeking;
    return { play: false, rate: main.rate, seek_s: waitsAtStart ? 0 : null, state: { ...state, nudging: false } };
  }
  if (wanted > reading.available_s && reading.available_s > 0) {
    // Still being recorded, and the main picture is a fragment further: hold the newest picture, and do not chase.
    const last = Math.max(0, reading.available_s - 0.1);
    const far = Math.abs(reading.position_s - last) > DRIFT_JUMPED_S && rested(state, now_s) && !reading.seeking;
    return {
      play: main.running && !far && reading.position_s < last,
      rate: main.rate,
      seek_s: far ? last : null,
      state: far ? { ...state, nudging: false, jumped_at_s: now_s } : { ...state, nudging: false },
    };
  }
  const off = drift(clip, main, reading);
  if (reading.seeking) return { play: main.running, rate: main.rate, seek_s: null, state };
  if (!main.running) {
    const jump = Math.abs(off) > DRIFT_PAUSED_S;
    return { play: false, rate: main.rate, seek_s: jump ? wanted : null, state: { ...state, nudging: false } };
  }
  const learnt = reading.hasData ? learn(state, off, main.rate) : state;
  if (Math.abs(off) > DRIFT_JUMPED_S) {
    if (!rested(state, now_s)) return { play: true, rate: main.rate, seek_s: null, state: learnt };
    const seek_s = Math.min(wanted + learnt.landing_s * main.rate, Math.max(wanted, reading.available_s - 0.1));
    const jumped = { ...learnt, nudging: false, landing: true, jumped_at_s: now_s };
    return { play: true, rate: main.rate, seek_s, state: jumped };
  }
  if (!reading.hasData) return { play: true, rate: main.rate, seek_s: null, state };
  const nudging = Math.abs(off) > (learnt.nudging ? DRIFT_SETTLED_S : DRIFT_NUDGED_S);
  const most = hasSound ? NUDGE_WITH_SOUND : NUDGE_SILENT;
  const nudge = nudging ? Math.max(-most, Math.min(most, -off / NUDGE_TIME_S)) : 0;
  const rate = Math.max(RATE_MIN, Math.min(RATE_MAX, main.rate * (1 + nudge)));
  return { play: true, rate, seek_s: null, state: { ...learnt, nudging } };
}

function rested(state: SyncState, now_s: number): boolean {
  return now_s - state.jumped_at_s >= JUMP_REST_S;
}

/** The first reading after a jump says how long the jump took: aim that much further ahead the next time. */
function learn(state: SyncState, off: number, rate: number): SyncState {
  if (!state.landing) return state;
  return { ...state, landing: false, landing_s: Math.max(0, Math.min(LANDING_MAX_S, state.landing_s - off / rate)) };
}

/** The speed to play at, given the speed asked for: near the newest second of a running lesson only 1 is possible. */
export function possibleRate(asked: number, position_s: number, end_s: number, live: boolean): number {
  return live && asked > 1 && end_s - position_s < LIVE_EDGE_S ? 1 : asked;
}

/** Nearer than this to the newest second counts as "live": two segments and a reload of the playlist. */
export const LIVE_EDGE_S = 25;

/** A new segment comes every 10 s and the playlist is read again 5 to 10 s later: this much in hand never runs out. */
const LIVE_RESERVE_S = 18;

/** Where a jump to "live" lands: far enough from the end that playing on does not wait for data. */
export function liveTarget(end_s: number): number {
  return Math.max(0, end_s - LIVE_RESERVE_S);
}
