/** What this page receives, in the words of the protocol: two samples of `getStats` in, a `Receiving` out.
 *
 * Pure. It judges as a listener would: sound by how much of it had to be made up, picture by frames that were seen. It gets
 * worse at once and better only when the next sample agrees, so that the words do not flicker.
 */

import type { Quality, Receiving } from "../generated/messages";

/** More than this share of made-up sound is heard as breaks (the ear forgives some 5%). */
const CONCEALED_WEAK = 0.06;
/** Loss after retransmission, where the browser does not say how much it made up. */
const LOST_WEAK = 0.08;
/** Fewer frames than this are seen as stutter; cameras in dim rooms make 7 to 10. */
const FPS_WEAK = 4;

/** Counters since the session began. */
export interface Sample {
  readonly atMs: number;
  readonly session: string;
  readonly audio: AudioCounters;
  readonly camera: VideoCounters;
  readonly screen: VideoCounters;
  readonly bytes: number;
  readonly rttMs: number | null;
}

export interface AudioCounters {
  readonly packets: number;
  readonly lost: number;
  /** Samples played, and those of them that were made up; null where the browser does not count them. */
  readonly samples: number | null;
  readonly concealed: number | null;
  /** Sum of the seconds that samples waited in the jitter buffer, and their number. */
  readonly waitedS: number;
  readonly emitted: number;
}

export interface VideoCounters {
  readonly packets: number;
  readonly lost: number;
  readonly frames: number;
}

/** What is sent to this page, as the lesson says. */
export interface Expected {
  readonly sound: boolean;
  readonly camera: boolean;
  readonly screen: boolean;
}

export const NO_AUDIO: AudioCounters = { packets: 0, lost: 0, samples: null, concealed: null, waitedS: 0, emitted: 0 };
export const NO_VIDEO: VideoCounters = { packets: 0, lost: 0, frames: 0 };

/** What was received between two samples; `before` null or of another session: since the session began. */
export function measured(before: Sample | null, after: Sample, expected: Expected): Required<Receiving> {
  const fresh = before === null || before.session !== after.session;
  const from = fresh ? null : before;
  const spanMs = from === null ? 0 : after.atMs - from.atMs;
  return {
    sound: sound(from?.audio ?? NO_AUDIO, after.audio, expected.sound),
    picture: picture(from, after, spanMs, expected),
    delay_ms: delay(from?.audio ?? NO_AUDIO, after),
    kbps: spanMs > 0 ? Math.min(1_000_000, Math.max(0, Math.round(((after.bytes - (from?.bytes ?? 0)) * 8) / spanMs))) : null,
    loss_percent: loss(from, after),
    behind_s: null,
    used_mb: null,
    saves_data: false,
  };
}

function sound(before: AudioCounters, after: AudioCounters, expected: boolean): Quality {
  if (!expected) return "off";
  const packets = after.packets - before.packets;
  if (packets <= 0) return "none";
  const samples = (after.samples ?? 0) - (before.samples ?? 0);
  if (after.concealed !== null && samples > 0) {
    return (after.concealed - (before.concealed ?? 0)) / samples > CONCEALED_WEAK ? "weak" : "good";
  }
  return share(after.lost - before.lost, packets) > LOST_WEAK ? "weak" : "good";
}

function picture(before: Sample | null, after: Sample, spanMs: number, expected: Expected): Quality {
  if (expected.screen) {
    // A page of text that stands still sends almost nothing: a screen is there once it was seen.
    if (after.screen.frames === 0) return "none";
    const past = before?.screen ?? NO_VIDEO;
    const lossy = share(after.screen.lost - past.lost, after.screen.packets - past.packets) > LOST_WEAK;
    return lossy ? "weak" : "good";
  }
  if (!expected.camera) return "off";
  const past = before?.camera ?? NO_VIDEO;
  const frames = after.camera.frames - past.frames;
  if (frames <= 0) return "none";
  return spanMs > 0 && (frames * 1000) / spanMs < FPS_WEAK ? "weak" : "good";
}

function delay(before: AudioCounters, after: Sample): number | null {
  const emitted = after.audio.emitted - before.emitted;
  if (emitted <= 0) return null;
  const buffered = ((after.audio.waitedS - before.waitedS) * 1000) / emitted;
  return Math.min(600_000, Math.max(0, Math.round(buffered + (after.rttMs ?? 0) / 2)));
}

function loss(before: Sample | null, after: Sample): number | null {
  const lost = (one: Sample): number => one.audio.lost + one.camera.lost + one.screen.lost;
  const got = (one: Sample): number => one.audio.packets + one.camera.packets + one.screen.packets;
  const packets = got(after) - (before === null ? 0 : got(before));
  const missing = lost(after) - (before === null ? 0 : lost(before));
  if (packets <= 0) return null;
  return Math.round(share(missing, packets) * 1000) / 10;
}

/** Lost packets as a share of those sent; retransmission can make the count of lost ones fall. */
function share(lost: number, got: number): number {
  const missing = Math.max(0, lost);
  return missing + got <= 0 ? 0 : Math.min(1, missing / (missing + Math.max(0, got)));
}

const WORSE: Readonly<Record<Quality, number>> = { off: 0, good: 0, weak: 1, none: 2 };

/** Keeps the words from flickering: worse counts at once, and so does the first sign of life; good after weak counts when
 *  it is said twice in a row. */
export class Steady {
  private shown: Quality = "off";
  private hoped: Quality = "off";

  next(now: Quality): Quality {
    const better = WORSE[now] < WORSE[this.shown];
    if (!better || now === "off" || this.shown === "none" || this.hoped === now) this.shown = now;
    this.hoped = now;
    return this.shown;
  }
}
