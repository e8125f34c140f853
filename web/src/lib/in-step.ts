/** Keeps a song or film in step with the lesson's player, so that all rooms hear it within 200 ms of each other. Pure: what the
 * lesson says, the server's time and where the element stands go in; what to do with the element comes out. Knows no DOM
 * and no clock (`keep-step.ts` has both). */

import type { Player } from "../generated/messages";

export interface ElementState {
  readonly time_s: number;
  readonly paused: boolean;
  /** Its length is known and it does not seek just now. */
  readonly ready: boolean;
  /** Null or left out: not known. */
  readonly duration_s?: number | null | undefined;
  /** Since it was last told to seek; null or left out: long ago. */
  readonly since_seek_s?: number | null | undefined;
}

export interface Step {
  readonly play: boolean;
  readonly seek_s: number | null;
  /** 1 is as recorded; the pitch stays. */
  readonly rate: number;
}

/** Nobody hears two rooms at once, so less than this is in step: the sound is left alone. */
const CLOSE_S = 0.04;
/** More is not made good by another rate in a time worth waiting for. */
const FAR_S = 0.5;
/** Just after a seek: a slow machine that lands late must not seek for ever. */
const FAR_AFTER_SEEK_S = 2;
const SEEK_SETTLES_S = 15;
/** What is silent may seek for less: it costs nothing to hear. */
const FAR_SILENT_S = 0.1;
/** A still picture is right to the frame. */
const FAR_STILL_S = 0.02;
/** What a seek in a local file takes until sound comes again. */
const SEEK_LEAD_S = 0.1;
/** A tenth faster or slower is hardly noticed in speech and is over in seconds. */
const MOST_RATE = 0.1;
/** The share of what is missing that a second makes good. */
const GAIN = 0.3;

/** Where the lesson's player stands at `now_ms` (the server's clock, milliseconds since 1970), in seconds from the beginning. */
export function positionOf(player: Pick<Player, "playing" | "position_ms" | "at_ms">, now_ms: number): number {
  const since_ms = player.playing ? Math.max(0, now_ms - player.at_ms) : 0;
  return (player.position_ms + since_ms) / 1000;
}

/** What brings the element in step. `now_ms` is the server's clock, milliseconds since 1970. */
export function stepOf(player: Pick<Player, "playing" | "position_ms" | "at_ms">, now_ms: number, element: ElementState): Step {
  const duration_s = element.duration_s ?? Infinity;
  const wanted_s = positionOf(player, now_ms);
  // What has begun to seek goes on; what has not loaded does not begin at a wrong place.
  if (!element.ready) return { play: player.playing && !element.paused, seek_s: null, rate: 1 };
  if (!player.playing || wanted_s >= duration_s) {
    const still_s = Math.min(wanted_s, duration_s);
    return { play: false, seek_s: Math.abs(still_s - element.time_s) > FAR_STILL_S ? still_s : null, rate: 1 };
  }
  const behind_s = wanted_s - element.time_s;
  const sinceSeek_s = element.since_seek_s ?? Infinity;
  const farPlaying_s = sinceSeek_s < SEEK_SETTLES_S ? FAR_AFTER_SEEK_S : FAR_S;
  if (Math.abs(behind_s) > (element.paused ? FAR_SILENT_S : farPlaying_s)) {
    return { play: true, seek_s: Math.min(wanted_s + SEEK_LEAD_S, duration_s), rate: 1 };
  }
  return { play: true, seek_s: null, rate: Math.abs(behind_s) <= CLOSE_S ? 1 : rateFor(behind_s) };
}

/** In hundredths, so that the element is not told a new rate at every look. */
function rateFor(behind_s: number): number {
  const change = Math.max(-MOST_RATE, Math.min(MOST_RATE, behind_s * GAIN));
  return 1 + (Math.sign(change) * Math.ceil(Math.abs(change) * 100)) / 100;
}
