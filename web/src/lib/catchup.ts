/** Nothing is missed: when a room that was cut off plays the recording, how fast, and when it is live again. Pure: what was
 * seen and the time in, the next state out; `orders` says what a state means. It knows no fetch, no element, no getStats.
 *
 * Walls are the server's clock in milliseconds since 1970; "now" is any steady clock in milliseconds.
 */

import type { LinkState } from "../generated/messages";

type Rung = NonNullable<LinkState["rung"]>;

/** Less than this is not worth a detour: the ear bridges it. */
export const WORTH_MS = 2_500;
/** Silence after which the sound counts as lost: longer than a jitter buffer's hiccup, shorter than what is worth it. */
export const LOST_AFTER_MS = 1_500;
/** Someone who heard nothing for this long is new to the lesson and starts live. */
export const NEWCOMER_AFTER_MS = 15 * 60_000;
/** A newcomer whose live sound has not come for this long listens to the recording: on slow links it comes sooner, where
 * nothing but the web gets through it never comes. */
export const NEWCOMER_WAITS_MS = 10_000;
/** So far before now such a newcomer begins: what the recording has written down by now. */
const NEWCOMER_BEGINS_MS = 3_000;
/** Live sound is back, the recording is not: no longer than this does the room wait in silence. */
export const WAIT_FOR_RECORDING_MS = 4_000;
export const CATCH_UP_RATE = 1.25;
/** Live media is asked for when the recording is this close to it: its jitter buffer must fill meanwhile. */
export const JOIN_WITHIN_MS = 5_000;
/** How deep live sound is buffered while the recording joins it. */
export const JOIN_TARGET_MS = 4_000;
/** Recording and live sound are at the same word. */
const SAME_MS = 120;
/** From here the hand-over is some two seconds away, which is what the live picture needs to come. */
const NEAR_MS = 800;
/** A jump that is better than staying behind when they will not meet. */
const CLOSE_MS = 1_500;
const JOIN_FOR_MS = 20_000;
/** Live sound that was asked for comes within this on a link that carries it. */
const FLOWS_WITHIN_MS = 3_000;
/** A room that stays on the recording tries live sound again after this long. */
export const TRY_LIVE_EVERY_MS = 60_000;
/** Live sound is unusable when more than this share is made up, for this long. */
const UNUSABLE_SHARE = 0.2;
const UNUSABLE_FOR_MS = 15_000;
/** So many losses within this time: live will not hold. */
const MANY_LOSSES = 4;
const LOSSES_WITHIN_MS = 60_000;
/** On the recording by choice: the rate that neither falls behind nor drains the buffer. */
const FOLLOW_BEHIND_MS = 6_000;
/** Without live sound to meet, so much in hand bridges the link's hiccups and leaves room for the picture. */
const IN_HAND_S = 3.5;
/** Hardly heard, and a second more in hand every ten. */
const LINGER_RATE = 0.9;
/** How far the browser's reckoning may lie from the delay that it measures. */
const TRUSTED_MS = 800;
/** A jitter buffer of which nothing is known. */
const USUAL_DELAY_MS = 1_200;

export type Phase = "live" | "lost" | "catching" | "joining" | "following";

/** What the recording does: `none`: there is nothing to play from; `over`: it has ended. */
export type Trouble = "" | "none" | "over";

export interface Recorded {
  /** The wall of what is heard from it, or would be; null while nothing of it is here. */
  readonly atMs: number | null;
  /** Seconds of sound in hand. */
  readonly aheadS: number;
  /** It was asked for and is on its way. */
  readonly answered: boolean;
  readonly trouble: Trouble;
}

/** One look at the page, up to four a second. */
export interface Seen {
  readonly nowMs: number;
  readonly wallMs: number;
  /** Somebody's sound should arrive. */
  readonly expected: boolean;
  /** Packets of that sound since the last look. */
  readonly packets: number;
  /** Share of what was played since the last look that was made up, 0 to 1. */
  readonly concealed: number;
  /** How long the sound that is played now has waited in the jitter buffer. */
  readonly delayMs: number | null;
  /** The wall of what the live sound plays, as the browser reckons it from sender reports; null where it does not. */
  readonly playsMs: number | null;
  /** Something else came from the server just now, so the silence is not this link's. */
  readonly alive: boolean;
  readonly called: boolean;
  /** Empty while nothing is sent. */
  readonly rung: Rung;
  readonly recorded: Recorded;
}

export interface CatchUp {
  readonly phase: Phase;
  /** The wall of what was heard last; null: a newcomer, who misses nothing. */
  readonly heardMs: number | null;
  readonly goodAtMs: number;
  /** Since when live sound flows again although the room is not on it. */
  readonly flowsSinceMs: number | null;
  /** Since when a newcomer is spoken to and hears nothing. */
  readonly deafSinceMs: number | null;
  readonly joinedAtMs: number;
  /** The hand-over to live sound is in sight. */
  readonly near: boolean;
  /** Running mean of the made-up share, and since when it is too much. */
  readonly concealed: number;
  readonly badSinceMs: number | null;
  readonly losses: readonly number[];
  /** Live will not do; the recording is being opened or played by choice. */
  readonly follow: boolean;
  readonly tryLiveAtMs: number;
}

/** At the start of the page; `heardMs` as remembered from before, null for a newcomer. */
export function begun(heardMs: number | null, nowMs: number): CatchUp {
  return {
    phase: heardMs === null ? "live" : "lost",
    heardMs,
    goodAtMs: nowMs,
    flowsSinceMs: null,
    deafSinceMs: null,
    joinedAtMs: 0,
    near: false,
    concealed: 0,
    badSinceMs: null,
    losses: [],
    follow: false,
    tryLiveAtMs: 0,
  };
}

/** The wall of what the live sound plays now. */
function livePlays(seen: Seen): number {
  const byDelay = seen.wallMs - (seen.delayMs ?? USUAL_DELAY_MS);
  // A reckoning that is far off stems from a report of another time; the delay is never far off.
  return seen.playsMs !== null && Math.abs(seen.playsMs - byDelay) < TRUSTED_MS ? seen.playsMs : byDelay;
}

/** Back to the live sound from wherever the room is. */
export function jumped(state: CatchUp, seen: Seen): CatchUp {
  return { ...begun(livePlays(seen), seen.nowMs), phase: "live", losses: state.losses };
}

/** The next state. */
export function step(state: CatchUp, seen: Seen): CatchUp {
  // Whoever is spoken to must hear it now.
  if (seen.called && state.phase !== "live") return jumped(state, seen);
  const flows = seen.packets > 0;
  const next = { ...state, flowsSinceMs: flows ? (state.flowsSinceMs ?? seen.nowMs) : null };
  switch (state.phase) {
    case "live":
      return whileLive(next, seen);
    case "lost":
      return whileLost(next, seen);
    case "catching":
      return whileCatching(next, seen);
    case "joining":
      return whileJoining(next, seen);
    case "following":
      return whileFollowing(next, seen);
  }
}

function whileLive(state: CatchUp, seen: Seen): CatchUp {
  const good = !seen.expected || (seen.packets > 0 && seen.concealed < 0.5) || (seen.packets === 0 && seen.alive);
  const judged = judge(state, seen);
  const heardMs = livePlays(seen);
  // The buffer still plays what came before the packets stopped: that is heard too.
  const plays = good || (seen.delayMs !== null && seen.concealed < 0.5);
  const heard = plays ? { ...judged, heardMs, goodAtMs: seen.nowMs } : judged;
  if (heard.follow && seen.recorded.atMs !== null) return following(heard, seen);
  if (seen.nowMs - heard.goodAtMs < LOST_AFTER_MS) return heard;
  // A page that is still connecting for the first time has lost nothing.
  const again = heard.heardMs === null ? [] : [seen.nowMs];
  const losses = heard.losses.filter((at) => seen.nowMs - at < LOSSES_WITHIN_MS).concat(again);
  return { ...heard, phase: "lost", losses, flowsSinceMs: null, follow: losses.length >= MANY_LOSSES };
}

/** Is the live sound usable at all? */
function judge(state: CatchUp, seen: Seen): CatchUp {
  if (!seen.expected || seen.packets === 0) return state;
  const concealed = state.concealed + (seen.concealed - state.concealed) * 0.05;
  const weakest = seen.rung === "thin" || seen.rung === "reconnecting" || seen.rung === "";
  const badSinceMs = concealed > UNUSABLE_SHARE ? (state.badSinceMs ?? seen.nowMs) : null;
  const unusable = weakest && badSinceMs !== null && seen.nowMs - badSinceMs >= UNUSABLE_FOR_MS;
  const rests = seen.nowMs < state.tryLiveAtMs - TRY_LIVE_EVERY_MS + UNUSABLE_FOR_MS;
  return { ...state, concealed, badSinceMs, follow: !rests && (state.follow || unusable) };
}

/** So much is missed that the recording is worth it. */
function misses(state: CatchUp, seen: Seen): boolean {
  return state.heardMs !== null && livePlays(seen) - state.heardMs > WORTH_MS;
}

function whileLost(state: CatchUp, seen: Seen): CatchUp {
  const { heardMs } = state;
  const { recorded } = seen;
  const flowsForMs = state.flowsSinceMs === null ? 0 : seen.nowMs - state.flowsSinceMs;
  const back = state.flowsSinceMs !== null && seen.packets > 0;
  if (heardMs === null && !back) return whileDeaf(state, seen);
  if (heardMs === null || recorded.trouble !== "") return back ? jumped(state, seen) : state;
  const missedMs = livePlays(seen) - heardMs;
  if (back && missedMs <= WORTH_MS) return jumped(state, seen);
  if (recorded.atMs !== null && recorded.aheadS > 0.2 && missedMs > WORTH_MS) {
    return { ...state, phase: state.follow ? "following" : "catching", tryLiveAtMs: seen.nowMs + TRY_LIVE_EVERY_MS };
  }
  // Nobody speaks: nothing is missed by waiting for the live sound.
  if (!seen.expected && seen.alive && missedMs <= WORTH_MS) return jumped(state, seen);
  if (back && flowsForMs >= WAIT_FOR_RECORDING_MS) return jumped(state, seen);
  return state;
}

/** A newcomer without sound: the link may be slow, or may never carry live sound. */
function whileDeaf(state: CatchUp, seen: Seen): CatchUp {
  if (!seen.expected || seen.alive) return { ...state, deafSinceMs: null };
  const deafSinceMs = state.deafSinceMs ?? seen.nowMs;
  if (seen.nowMs - deafSinceMs < NEWCOMER_WAITS_MS) return { ...state, deafSinceMs };
  return { ...state, deafSinceMs: null, heardMs: seen.wallMs - NEWCOMER_BEGINS_MS, goodAtMs: seen.nowMs };
}

function whileCatching(state: CatchUp, seen: Seen): CatchUp {
  const { recorded } = seen;
  const done = recorded.trouble !== "" && recorded.aheadS < 0.1;
  if (done || recorded.atMs === null) return done ? jumped(state, seen) : { ...state, phase: "lost", flowsSinceMs: null };
  const heard = { ...state, heardMs: recorded.atMs };
  if (state.follow && seen.wallMs - recorded.atMs <= FOLLOW_BEHIND_MS) return following(heard, seen);
  if (seen.wallMs - recorded.atMs > JOIN_WITHIN_MS || state.follow) return heard;
  return { ...heard, phase: "joining", joinedAtMs: seen.nowMs, near: false, flowsSinceMs: null };
}

function following(state: CatchUp, seen: Seen): CatchUp {
  return { ...state, phase: "following", follow: true, flowsSinceMs: null, tryLiveAtMs: seen.nowMs + TRY_LIVE_EVERY_MS };
}

function whileFollowing(state: CatchUp, seen: Seen): CatchUp {
  const { recorded } = seen;
  if (recorded.trouble !== "" && recorded.aheadS < 0.1) return jumped(state, seen);
  const heard = { ...state, heardMs: recorded.atMs ?? state.heardMs };
  if (seen.nowMs < state.tryLiveAtMs || recorded.atMs === null) return heard;
  const fresh = { ...heard, follow: false, losses: [], concealed: 0, badSinceMs: null };
  return { ...fresh, phase: "catching" };
}

/** How far the live sound is ahead of the recording, ms; null while the live sound is not to be relied on. */
function lead(state: CatchUp, seen: Seen): number | null {
  const { atMs } = seen.recorded;
  const steady = state.flowsSinceMs !== null && seen.nowMs - state.flowsSinceMs >= 600;
  if (atMs === null || !steady || seen.delayMs === null || seen.concealed > 0.2) return null;
  return livePlays(seen) - atMs;
}

function whileJoining(state: CatchUp, seen: Seen): CatchUp {
  const ahead = lead(state, seen);
  const near = state.near || (ahead !== null && Math.abs(ahead) <= NEAR_MS);
  const heard = { ...state, near, heardMs: seen.recorded.atMs ?? state.heardMs };
  if (ahead !== null && Math.abs(ahead) <= SAME_MS) return jumped(state, seen);
  // The recording has nothing more to give: the lesson is over, or its storage is.
  if (seen.recorded.trouble !== "" && seen.recorded.aheadS < 0.1) return jumped(state, seen);
  if (seen.nowMs - state.joinedAtMs < JOIN_FOR_MS) return heard;
  return ahead !== null && Math.abs(ahead) <= CLOSE_MS ? jumped(state, seen) : following(heard, seen);
}

/** What a state means for the page. */
export interface Orders {
  /** The live sound is not to be heard. */
  readonly quiet: boolean;
  /** Open the recording at this wall; null: close it. */
  readonly from: number | null;
  /** The speed at which the recording plays; 0: it waits. */
  readonly rate: number;
  /** What `Watch.live` says. */
  readonly watchLive: boolean;
  /** The live picture would only compete with the recording: sound is all that is wanted of the live lesson. */
  readonly soundOnly: boolean;
  /** The depth of the live jitter buffer that a handover needs; null: as usual. */
  readonly targetMs: number | null;
  /** Behind the live lesson, seconds; null: live. */
  readonly behindS: number | null;
}

export function orders(state: CatchUp, seen: Seen): Orders {
  const { atMs } = seen.recorded;
  const behindS = state.phase === "live" || atMs === null ? null : Math.max(0, (seen.wallMs - atMs) / 1000);
  const base: Orders = { quiet: false, from: null, rate: 0, watchLive: true, soundOnly: false, targetMs: null, behindS: null };
  switch (state.phase) {
    case "live":
      return { ...base, from: state.follow ? state.heardMs : null };
    case "lost":
      // The link belongs to the recording from the moment that it comes.
      return { ...base, quiet: state.heardMs !== null, from: state.heardMs, watchLive: !(seen.recorded.answered && misses(state, seen)) };
    case "catching":
      return { ...base, quiet: true, from: state.heardMs, rate: CATCH_UP_RATE, watchLive: false, behindS };
    case "following":
      return { ...base, quiet: true, from: state.heardMs, rate: followRate(seen), watchLive: false, behindS };
    case "joining":
      return { ...base, quiet: true, from: state.heardMs, rate: joinRate(state, seen), soundOnly: !state.near, targetMs: JOIN_TARGET_MS, behindS };
  }
}

function followRate(seen: Seen): number {
  const { atMs, aheadS } = seen.recorded;
  if (atMs === null) return 1;
  if (seen.wallMs - atMs > FOLLOW_BEHIND_MS) return aheadS > 3 ? CATCH_UP_RATE : 1;
  return aheadS < IN_HAND_S ? LINGER_RATE : 1;
}

/** Towards the same word: faster while the live sound is ahead, a little slower when it is behind. */
function joinRate(state: CatchUp, seen: Seen): number {
  const ahead = lead(state, seen);
  if (state.flowsSinceMs === null && seen.nowMs - state.joinedAtMs > FLOWS_WITHIN_MS) return followRate(seen);
  if (ahead === null) return seen.recorded.aheadS > 1 ? 1.1 : 1;
  return Math.min(CATCH_UP_RATE, Math.max(0.85, 1 + ahead / 2000));
}
