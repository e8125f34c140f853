/** Nothing is missed: when a room that was cut off plays the recording, and when it is live again. Pure: what was seen and the
 * time in, the next state out; `catchup-orders` says what a state means. It knows no fetch, no element, no getStats.
 *
 * Walls are the server's clock in milliseconds since 1970; "now" is any steady clock in milliseconds.
 */

import type { LinkState } from "../generated/messages";
import { closed, type Stretch, tidied } from "./catchup-missed";

type Rung = NonNullable<LinkState["rung"]>;

/** Less than this is not worth a detour: the ear bridges it. */
export const WORTH_MS = 2_500;
/** Silence after which the sound counts as lost: longer than a jitter buffer's hiccup, shorter than what is worth it. */
export const LOST_AFTER_MS = 1_500;
/** Where nobody speaks, so long without a sign of life says that the link is cut: the page's own pings and the connection's
 *  consent checks bring one every five seconds at the least, later where packets are lost. */
export const LIFE_WITHIN_MS = 8_000;
/** Longer than any lesson: a room that heard something longer ago is new to it. */
export const LESSON_AT_MOST_MS = 12 * 3_600_000;
/** At the end of a lesson the buffer of a live room still holds this much, which is not worth the recording. */
export const END_WORTH_MS = 5_000;
/** Live sound that flows for this long is no straggler: a class that is called on goes over to it. */
const ARRIVES_MS = 200;
/** A newcomer whose live sound has not come for this long listens to the recording: on slow links it comes sooner, where
 * nothing but the web gets through it never comes. */
export const NEWCOMER_WAITS_MS = 10_000;
/** So far before now such a newcomer begins: what the recording has written down by now. */
const NEWCOMER_BEGINS_MS = 3_000;
/** Live sound is back, the recording is not: no longer than this does the room wait in silence. */
export const WAIT_FOR_RECORDING_MS = 4_000;
/** The same where nobody speaks, so that nothing is lost by waiting. */
const WAIT_IN_SILENCE_MS = 15_000;
/** Live media is asked for when the recording is this close to it: its jitter buffer must fill meanwhile. */
export const JOIN_WITHIN_MS = 5_000;
/** Recording and live sound are at the same word. */
const SAME_MS = 120;
/** From here the hand-over is some two seconds away, which is what the live picture needs to come. */
const NEAR_MS = 800;
/** A jump that is better than staying behind when they will not meet. */
const CLOSE_MS = 1_500;
const JOIN_FOR_MS = 20_000;
/** A room that stays on the recording tries live sound again after this long. */
export const TRY_LIVE_EVERY_MS = 60_000;
/** Live sound is unusable when more than this share is made up, for this long. */
const UNUSABLE_SHARE = 0.2;
const UNUSABLE_FOR_MS = 15_000;
/** So many losses within this time: live will not hold. */
const MANY_LOSSES = 4;
const LOSSES_WITHIN_MS = 60_000;
/** On the recording by choice: the rate that neither falls behind nor drains the buffer. */
export const FOLLOW_BEHIND_MS = 6_000;
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
  /** When anything at all came from the server last, on the clock of `nowMs`. */
  readonly lifeAtMs: number;
  readonly called: boolean;
  /** The wall of the lesson's end; null while it goes on. */
  readonly endedAtMs: number | null;
  /** Empty while nothing is sent. */
  readonly rung: Rung;
  readonly recorded: Recorded;
}

export interface CatchUp {
  readonly phase: Phase;
  /** The wall of what was heard last; null: a newcomer, who misses nothing. */
  readonly heardMs: number | null;
  readonly goodAtMs: number;
  /** Where the stretch that is heard from the recording ends; null: with the live lesson. */
  readonly untilMs: number | null;
  /** What else was missed: behind the current stretch while that is played, before now during a call. */
  readonly missed: readonly Stretch[];
  /** Counts the stretches: with each new one the recording is opened afresh. */
  readonly opening: number;
  /** Since when live sound flows again although the room is not on it. */
  readonly flowsSinceMs: number | null;
  /** Since when the server is heard of again. */
  readonly livesSinceMs: number | null;
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
    untilMs: null,
    missed: [],
    opening: 0,
    flowsSinceMs: null,
    livesSinceMs: null,
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

/** Back to the live sound from wherever the room is; what was missed is forgotten. */
export function jumped(state: CatchUp, seen: Seen): CatchUp {
  return { ...begun(livePlays(seen), seen.nowMs), phase: "live", losses: state.losses, opening: state.opening };
}

/** The wall from which a room that starts anew goes on; null: it has missed nothing yet. */
export function mark(state: CatchUp): number | null {
  const [first] = state.missed;
  return first === undefined || state.heardMs === null ? state.heardMs : Math.min(first.fromMs, state.heardMs);
}

/** The next state. */
export function step(state: CatchUp, seen: Seen): CatchUp {
  const flows = seen.packets > 0;
  const next = {
    ...state,
    flowsSinceMs: flows ? (state.flowsSinceMs ?? seen.nowMs) : null,
    livesSinceMs: lives(seen) ? (state.livesSinceMs ?? seen.nowMs) : null,
  };
  if (next.untilMs !== null && plays(next) && (seen.recorded.atMs ?? 0) >= next.untilMs) return opened(next, seen, next.missed);
  const called = seen.called && seen.endedAtMs === null;
  if (!called && next.missed.length > 0 && next.untilMs === null) return opened(next, seen, unheard(next, seen));
  if (seen.endedAtMs !== null) return whileOver(next, seen, seen.endedAtMs);
  if (called && next.phase !== "live" && arrives(next, seen)) return answering(next, seen);
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

/** The recording is what the room hears. */
function plays(state: CatchUp): boolean {
  return state.phase === "catching" || state.phase === "joining" || state.phase === "following";
}

/** All that the room has not heard, in order. */
function unheard(state: CatchUp, seen: Seen): readonly Stretch[] {
  const now = { fromMs: state.heardMs ?? livePlays(seen), toMs: state.untilMs };
  return state.untilMs === null ? state.missed.concat([now]) : [now].concat(state.missed);
}

/** On with the first of these stretches. */
function opened(state: CatchUp, seen: Seen, stretches: readonly Stretch[]): CatchUp {
  const [first, ...missed] = tidied(stretches, WORTH_MS);
  if (first === undefined) return jumped(state, seen);
  const fresh = { ...begun(first.fromMs, seen.nowMs), losses: state.losses, follow: state.follow };
  return { ...fresh, untilMs: first.toMs, missed, opening: state.opening + 1 };
}

/** The live sound is there, or would be if anyone spoke. */
function arrives(state: CatchUp, seen: Seen): boolean {
  if (!seen.expected) return lives(seen);
  return state.flowsSinceMs !== null && seen.nowMs - state.flowsSinceMs >= ARRIVES_MS;
}

/** Whoever is spoken to must hear it now; what is missed by that is kept for after the call. */
function answering(state: CatchUp, seen: Seen): CatchUp {
  const missed = state.heardMs === null ? [] : tidied(closed(unheard(state, seen), livePlays(seen)), WORTH_MS);
  return { ...jumped(state, seen), missed };
}

/** The lesson is over: what was missed is heard to its end. */
function whileOver(state: CatchUp, seen: Seen, endedAtMs: number): CatchUp {
  const over: CatchUp = { ...begun(endedAtMs, seen.nowMs), phase: "live", opening: state.opening };
  const { atMs, aheadS, trouble } = seen.recorded;
  if (state.heardMs === null) return over;
  if (state.phase === "live") return endedAtMs - state.heardMs > END_WORTH_MS ? opened(state, seen, unheard(state, seen)) : over;
  if (state.phase === "lost") {
    if (trouble !== "" || state.heardMs >= endedAtMs) return over;
    return atMs !== null && aheadS > 0.2 ? { ...state, phase: "catching" } : state;
  }
  if (atMs === null) return { ...state, phase: "lost" };
  const done = aheadS < 0.1 && (trouble !== "" || (state.untilMs === null && atMs >= endedAtMs - 1_000));
  return done ? over : { ...state, phase: "catching", heardMs: atMs };
}

/** Something came from the server lately. */
function lives(seen: Seen): boolean {
  return seen.nowMs - seen.lifeAtMs < LIFE_WITHIN_MS;
}

function whileLive(state: CatchUp, seen: Seen): CatchUp {
  const heard = seen.expected ? heardVoice(state, seen) : heardSilence(state, seen);
  if (heard.follow && seen.recorded.atMs !== null) return following(heard, seen);
  if (seen.nowMs - heard.goodAtMs < LOST_AFTER_MS) return heard;
  // A page that is still connecting for the first time has lost nothing.
  const again = heard.heardMs === null ? [] : [seen.nowMs];
  const losses = heard.losses.filter((at) => seen.nowMs - at < LOSSES_WITHIN_MS).concat(again);
  return { ...heard, phase: "lost", losses, flowsSinceMs: null, follow: losses.length >= MANY_LOSSES };
}

function heardVoice(state: CatchUp, seen: Seen): CatchUp {
  const good = seen.packets > 0 ? seen.concealed < 0.5 : seen.alive;
  const judged = judge(state, seen);
  // The buffer still plays what came before the packets stopped: that is heard too.
  const heard = good || (seen.delayMs !== null && seen.concealed < 0.5);
  return heard ? { ...judged, heardMs: livePlays(seen), goodAtMs: seen.nowMs } : judged;
}

/** Nobody speaks, as far as this page knows: only a link that lives lets it know. */
function heardSilence(state: CatchUp, seen: Seen): CatchUp {
  if (!lives(seen)) return state;
  const sureMs = livePlays(seen) - (seen.nowMs - seen.lifeAtMs);
  return { ...state, heardMs: Math.max(state.heardMs ?? sureMs, sureMs), goodAtMs: seen.nowMs };
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

/** On with the live sound: the recording has caught up with it, or is not to be had. */
function live(state: CatchUp, seen: Seen): CatchUp {
  return { ...jumped(state, seen), missed: seen.called ? state.missed : [] };
}

/** So much is missed that the recording is worth it. */
export function misses(state: CatchUp, seen: Seen): boolean {
  return state.heardMs !== null && livePlays(seen) - state.heardMs > WORTH_MS;
}

function whileLost(state: CatchUp, seen: Seen): CatchUp {
  const { heardMs } = state;
  const { recorded } = seen;
  const flowsForMs = state.flowsSinceMs === null ? 0 : seen.nowMs - state.flowsSinceMs;
  const back = state.flowsSinceMs !== null && seen.packets > 0;
  if (heardMs === null && !back) return !seen.expected && lives(seen) ? live(state, seen) : whileDeaf(state, seen);
  if (heardMs === null || recorded.trouble !== "") return back ? live(state, seen) : state;
  const missedMs = livePlays(seen) - heardMs;
  if (back && missedMs <= WORTH_MS) return live(state, seen);
  if (recorded.atMs !== null && recorded.aheadS > 0.2 && missedMs > WORTH_MS) {
    return { ...state, phase: state.follow ? "following" : "catching", tryLiveAtMs: seen.nowMs + TRY_LIVE_EVERY_MS };
  }
  // Nobody speaks: nothing is missed by waiting for the live sound.
  const livesForMs = state.livesSinceMs === null ? -1 : seen.nowMs - state.livesSinceMs;
  if (!seen.expected && livesForMs >= (missedMs <= WORTH_MS ? 0 : WAIT_IN_SILENCE_MS)) return live(state, seen);
  if (back && flowsForMs >= WAIT_FOR_RECORDING_MS) return live(state, seen);
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
  if (done || recorded.atMs === null) return done ? live(state, seen) : { ...state, phase: "lost", flowsSinceMs: null };
  const heard = { ...state, heardMs: recorded.atMs };
  if (state.follow && seen.wallMs - recorded.atMs <= FOLLOW_BEHIND_MS) return following(heard, seen);
  if (seen.wallMs - recorded.atMs > JOIN_WITHIN_MS || state.follow || state.untilMs !== null) return heard;
  return { ...heard, phase: "joining", joinedAtMs: seen.nowMs, near: false, flowsSinceMs: null };
}

function following(state: CatchUp, seen: Seen): CatchUp {
  return { ...state, phase: "following", follow: true, flowsSinceMs: null, tryLiveAtMs: seen.nowMs + TRY_LIVE_EVERY_MS };
}

function whileFollowing(state: CatchUp, seen: Seen): CatchUp {
  const { recorded } = seen;
  if (recorded.trouble !== "" && recorded.aheadS < 0.1) return live(state, seen);
  const heard = { ...state, heardMs: recorded.atMs ?? state.heardMs };
  if (seen.nowMs < state.tryLiveAtMs || recorded.atMs === null) return heard;
  const fresh = { ...heard, follow: false, losses: [], concealed: 0, badSinceMs: null };
  return { ...fresh, phase: "catching" };
}

/** How far the live sound is ahead of the recording, ms; null while the live sound is not to be relied on. */
export function lead(state: CatchUp, seen: Seen): number | null {
  const { atMs } = seen.recorded;
  const steady = state.flowsSinceMs !== null && seen.nowMs - state.flowsSinceMs >= 600;
  if (atMs === null || !steady || seen.delayMs === null || seen.concealed > 0.2) return null;
  return livePlays(seen) - atMs;
}

function whileJoining(state: CatchUp, seen: Seen): CatchUp {
  const ahead = lead(state, seen);
  const near = state.near || (ahead !== null && Math.abs(ahead) <= NEAR_MS);
  const heard = { ...state, near, heardMs: seen.recorded.atMs ?? state.heardMs };
  if (ahead !== null && Math.abs(ahead) <= SAME_MS) return live(state, seen);
  // The recording has nothing more to give: the lesson is over, or its storage is.
  if (seen.recorded.trouble !== "" && seen.recorded.aheadS < 0.1) return live(state, seen);
  if (seen.nowMs - state.joinedAtMs < JOIN_FOR_MS) return heard;
  return ahead !== null && Math.abs(ahead) <= CLOSE_MS ? live(state, seen) : following(heard, seen);
}
