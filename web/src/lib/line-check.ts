/** The check before the lesson, judged: can the room hear, can it be heard, how good is its line; each in one sentence.
 * Pure, and without words: it names the texts. What is measured, and how, is `line-probe`'s. */

import type { TextKey } from "./i18n";

/** From the press to the answer, whatever the link and whoever answers: each step ends by then, ms after the press. */
export const CHECK_UNTIL_MS = { ask: 9_000, speak: 15_000, all: 20_000 } as const;
/** How long a voice is waited for at most. */
export const SPEAK_MS = 6_000;

/** A picture and sound with room to spare. */
const GOOD_KBPS = 500;
/** Sound, and a small picture. */
const PICTURE_KBPS = 180;
/** Thin sound with its redundancy; what carries less has the lesson from the recording. */
const LIVE_KBPS = 40;
/** A voice as it is, with its headers. */
const VOICE_UP_KBPS = 50;
/** More than this is repaired late, or not. */
const LOSSY_SHARE = 0.05;
const JITTERY_MS = 120;

export interface Line {
  /** What came down, kbit/s; null: nothing came. */
  readonly kbps: number | null;
  /** What went up, kbit/s; null: not known. */
  readonly upKbps: number | null;
  /** The least of some round trips, ms. */
  readonly rttMs: number | null;
  /** How much the slower half of the round trips took longer, ms. */
  readonly jitterMs: number;
  /** Share of the round trips that were lost, or waited for a packet that was sent again. */
  readonly lossShare: number;
  /** How live media goes: `udp`, or by a detour over `tcp` or a relay; empty while not known. */
  readonly media: "" | "udp" | "tcp";
  /** The server had too many measurements from this address, as of several rooms behind one: nothing is known. */
  readonly busy: boolean;
}

export interface Checked {
  /** null: nobody said. */
  readonly hears: boolean | null;
  /** null: nobody tried, or there is no microphone to try. */
  readonly heard: boolean | null;
  readonly line: Line;
}

export interface Answer {
  readonly text: TextKey;
  readonly state: "good" | "weak" | "lost";
}

/** The three answers: the line, since nothing goes without it; what the room hears; whether it is heard. */
export function answers({ hears, heard, line }: Checked): readonly Answer[] {
  return [lineAnswer(line), hearsAnswer(hears), heardAnswer(heard, line)];
}

/** The answer that matters most: the first of the worst. */
export function verdict(checked: Checked): TextKey {
  const all = answers(checked);
  const worst = all.find((one) => one.state === "lost") ?? all.find((one) => one.state === "weak") ?? all[0];
  return (worst as Answer).text;
}

function lineAnswer(line: Line): Answer {
  if (line.busy) return { text: "check.line.busy", state: "weak" };
  if (line.kbps === null) return { text: "check.line.none", state: "lost" };
  if (line.kbps < LIVE_KBPS) return { text: "check.line.late", state: "weak" };
  if (line.kbps < PICTURE_KBPS) return { text: "check.line.sound", state: "weak" };
  if (line.lossShare > LOSSY_SHARE || line.jitterMs > JITTERY_MS) return { text: "check.line.unsteady", state: "weak" };
  if (line.kbps < GOOD_KBPS) return { text: "check.line.fair", state: "good" };
  return { text: line.media === "tcp" ? "check.line.detour" : "check.line.good", state: "good" };
}

function hearsAnswer(hears: boolean | null): Answer {
  if (hears === null) return { text: "check.hears.unknown", state: "weak" };
  return hears ? { text: "check.hears.yes", state: "good" } : { text: "check.hears.no", state: "lost" };
}

function heardAnswer(heard: boolean | null, line: Line): Answer {
  if (heard === null) return { text: "check.heard.untried", state: "weak" };
  if (!heard) return { text: "check.heard.no", state: "lost" };
  // The microphone works; whether the voice gets out is the line's.
  if (line.kbps === null && !line.busy) return { text: "check.heard.offline", state: "lost" };
  return line.upKbps !== null && line.upKbps < VOICE_UP_KBPS
    ? { text: "check.heard.thin", state: "weak" }
    : { text: "check.heard.yes", state: "good" };
}

/** The rate of a transfer, without the time of its first round trip. */
export function rateKbps(bytes: number, tookMs: number, rttMs: number): number {
  return Math.round((bytes * 8) / Math.max(1, tookMs - rttMs));
}

/** TCP sends a lost packet again after a fifth of a second at the soonest. */
const RESENT_MS = 200;

/**
 * What round trips tell of the line.
 *
 * @param tookMs of each; null: it did not end in time
 */
export function steadiness(tookMs: readonly (number | null)[]): Pick<Line, "rttMs" | "jitterMs" | "lossShare"> {
  const known = tookMs.filter((one): one is number => one !== null).sort((a, b) => a - b);
  const least = known[0];
  if (least === undefined) return { rttMs: null, jitterMs: 0, lossShare: tookMs.length > 0 ? 1 : 0 };
  const smooth = known.filter((one) => one < least + RESENT_MS);
  // The slower half alone: the quicker one says how quick the line can be.
  const slower = smooth[Math.floor((smooth.length - 1) * 0.75)] ?? least;
  // One that waited may have been any accident; from the second on it is the line.
  const lost = Math.max(0, tookMs.length - smooth.length - 1);
  return { rttMs: Math.round(least), jitterMs: Math.round(slower - least), lossShare: lost / tookMs.length };
}

/** How media flows, by the pair that was chosen (its candidates' `protocol` and `candidateType`). */
export function pathOf(protocol: string, type: string): "udp" | "tcp" {
  return protocol === "tcp" || type === "relay" ? "tcp" : "udp";
}
