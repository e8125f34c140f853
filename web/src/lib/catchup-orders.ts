/** What a state of `catchup` means for the page: what is heard, how fast, and what is asked of the server. Pure. */

import {
  type CatchUp,
  FOLLOW_BEHIND_MS,
  lead,
  misses,
  type Seen,
} from "./catchup";
import type { LessonState } from "../generated/messages";

export const CATCH_UP_RATE = 1.25;
/** How deep live sound is buffered while the recording joins it. */
export const JOIN_TARGET_MS = 4_000;
/** Live sound that was asked for comes within this on a link that carries it. */
const FLOWS_WITHIN_MS = 3_000;
/** Without live sound to meet, so much in hand bridges the link's hiccups and leaves room for the picture. */
const IN_HAND_S = 3.5;
/** Hardly heard, and a second more in hand every ten. */
const LINGER_RATE = 0.9;

/** What a page knows of its place in the lesson. */
export interface Place {
  readonly left: boolean;
  /** The server will not have this page: another one took its place, the link is void, the lesson is full. */
  readonly refused: boolean;
  /** As last told; null before the first greeting. */
  readonly lesson: LessonState | null;
  /** What this room heard before is known. */
  readonly heard: boolean;
}

/** Is there anything that this page may play? A view that was told before the page was refused says nothing any more. */
export function listens({ left, refused, lesson, heard }: Place): boolean {
  if (left || refused) return false;
  return lesson === null ? heard : lesson !== "waiting";
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
  // The volunteer speaks to this class: it goes over as soon as her voice comes, and the recording goes on until then.
  const asks = { watchLive: seen.called, soundOnly: seen.called };
  switch (state.phase) {
    case "live":
      return { ...base, from: state.follow ? state.heardMs : null };
    case "lost":
      // The link belongs to the recording from the moment that it comes.
      return { ...base, ...asks, quiet: state.heardMs !== null, from: state.heardMs, watchLive: seen.called || !(seen.recorded.answered && misses(state, seen)) };
    case "catching":
      return { ...base, ...asks, quiet: true, from: state.heardMs, rate: CATCH_UP_RATE, behindS };
    case "following":
      return { ...base, ...asks, quiet: true, from: state.heardMs, rate: followRate(seen), behindS };
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
