/** What the teach page says of each classroom, of all of them, and of the volunteer's own uplink: states in, sentences out.
 * Pure: it names texts, it does not hold them. */

import type { LinkState, Participant, Receiving } from "../generated/messages";
import type { Params, TextKey } from "../lib/i18n";
import { devicesOf, receivingOf } from "../lib/lesson-view";
import type { Rest } from "../lib/uplink";
import type { Sentence } from "../ui/StatusLine";

/** A sentence with what is filled into it. */
export interface Told extends Sentence {
  readonly params?: Params;
}

export type Rung = NonNullable<LinkState["rung"]>;

/** Figures with every field said. */
export interface Figures {
  readonly rung: Rung;
  /** What the link is believed to carry. */
  readonly linkKbps: number | null;
  /** Lost before any repair. */
  readonly linkLossPercent: number | null;
  /** What arrives. */
  readonly kbps: number | null;
  readonly lossPercent: number | null;
  readonly delayMs: number | null;
  readonly behindS: number | null;
  readonly usedMb: number | null;
}

export function figuresOf(one: Participant): Figures {
  // A server of the build before says nothing of links.
  const link: Partial<LinkState> = (one.link as LinkState | undefined) ?? {};
  const receiving: Partial<Receiving> = one.receiving;
  return {
    rung: link.rung ?? "",
    linkKbps: link.kbps ?? null,
    linkLossPercent: link.loss_percent ?? null,
    kbps: receiving.kbps ?? null,
    lossPercent: receiving.loss_percent ?? null,
    delayMs: receiving.delay_ms ?? null,
    behindS: receiving.behind_s ?? null,
    usedMb: receiving.used_mb ?? null,
  };
}

/** Less than this is no catching up: it is the room's own delay. */
const BEHIND_FROM_S = 2;
/** From here on it is told in minutes. */
const IN_MINUTES_FROM_S = 90;
/** A link of this rate carries pictures: if it gets none, it is on the way back to them. */
const NOT_WEAK_KBPS = 500;

/** True while what the room hears is the recording. */
export function behind(one: Participant): boolean {
  return one.online && (one.receiving.behind_s ?? 0) >= BEHIND_FROM_S;
}

/** True when nothing reaches the room, and it is being tried again. */
export function reconnecting(one: Participant): boolean {
  return !one.online || (one.link as LinkState | undefined)?.rung === "reconnecting";
}

/** What a classroom's tile says of what the room receives. */
export function tileSentence(one: Participant, lessonLive: boolean): Sentence {
  if (!one.online) return { tone: "lost", text: "tile.offline" };
  if (!lessonLive) return { tone: "good", text: "tile.waiting" };
  const { sound, picture } = receivingOf(one);
  if (sound === "off" && picture === "off") return { tone: "note", text: "tile.silent" };
  if (sound === "none" && picture !== "good" && picture !== "weak") return { tone: "lost", text: "tile.nothing" };
  if (sound === "none") return { tone: "lost", text: "tile.sound.none" };
  if (sound === "weak") return { tone: "weak", text: "tile.sound.weak" };
  if (sound === "off") return { tone: "note", text: "tile.silent" };
  if (picture === "none") return { tone: "weak", text: "tile.picture.none" };
  if (picture === "weak") return { tone: "weak", text: "tile.picture.weak" };
  return { tone: "good", text: picture === "off" ? "tile.good.sound" : "tile.good" };
}

/** What the tile of a called classroom says of the other direction, or null when it is not called. */
export function callSentence(one: Participant): Sentence | null {
  if (!one.called) return null;
  if (one.muted) return { tone: "note", text: "tile.called.muted" };
  return devicesOf(one).microphone
    ? { tone: "good", text: "tile.called" }
    : { tone: "wait", text: "tile.called.opening" };
}

/** What a classroom's tile says of a live lesson. What stops a room comes before what troubles it. */
export function roomSentence(one: Participant): Told {
  if (!one.online) return tileSentence(one, true);
  const { rung, behindS, linkKbps } = figuresOf(one);
  if (behind(one)) return { tone: "wait", ...behindText(behindS ?? 0) };
  if (rung === "reconnecting") return { tone: "lost", text: "tile.rung.reconnecting" };
  const heard = tileSentence(one, true);
  const sound = one.receiving.sound ?? "off";
  if (sound === "none" || sound === "weak" || sound === "off") return heard;
  switch (rung) {
    case "thin":
      return { tone: "weak", text: "tile.rung.thin" };
    case "sound":
      if (one.receiving.saves_data === true) return { tone: "note", text: "tile.rung.sound.saves" };
      return (linkKbps ?? 0) >= NOT_WEAK_KBPS
        ? { tone: "note", text: "tile.rung.sound.chosen" }
        : { tone: "weak", text: "tile.rung.sound" };
    case "screen":
      return { tone: "weak", text: "tile.rung.screen" };
    case "reduced":
      return heard.tone === "good" ? { tone: "good", text: "tile.rung.reduced" } : heard;
    default:
      return heard;
  }
}

function behindText(seconds: number): { readonly text: TextKey; readonly params: Params } {
  if (seconds < IN_MINUTES_FROM_S) return { text: "tile.behind.seconds", params: { count: Math.round(seconds) } };
  return { text: "tile.behind.minutes", params: { count: Math.round(seconds / 60) } };
}

const RUNGS: Readonly<Record<Exclude<Rung, "">, TextKey>> = {
  full: "rung.full",
  reduced: "rung.reduced",
  screen: "rung.screen",
  sound: "rung.sound",
  thin: "rung.thin",
  reconnecting: "rung.reconnecting",
};

/** The words for a rung, where the figures stand; null while nothing is sent to the room. */
export function rungText(rung: Rung): TextKey | null {
  return rung === "" ? null : RUNGS[rung];
}

/** How many rooms hear the lesson now, and what holds up the others. */
export interface Summary {
  readonly all: number;
  readonly hear: number;
  readonly reconnecting: number;
  readonly behind: number;
}

export function summary(classrooms: readonly Participant[]): Summary {
  const away = classrooms.filter(reconnecting);
  const late = classrooms.filter((one) => behind(one) && away.indexOf(one) < 0);
  const hear = classrooms.filter((one) => {
    const sound = one.receiving.sound ?? "off";
    return away.indexOf(one) < 0 && late.indexOf(one) < 0 && (sound === "good" || sound === "off");
  });
  return { all: classrooms.length, hear: hear.length, reconnecting: away.length, behind: late.length };
}

/** The parts of the summary's line, in the order they are read. */
export function summaryParts({ all, hear, reconnecting: away, behind: late }: Summary): readonly { text: TextKey; params: Params }[] {
  if (away === all) return [{ text: "strip.away", params: {} }];
  if (hear === all) return [{ text: "strip.summary.good", params: { count: all } }];
  const out: { text: TextKey; params: Params }[] = [{ text: "strip.summary.mixed", params: { good: hear, count: all } }];
  if (away > 0) out.push({ text: "strip.summary.away", params: { count: away } });
  if (late > 0) out.push({ text: "strip.summary.behind", params: { count: late } });
  return out;
}

/** Less than this, and little of the picture is left: what three layers need is 1.4 Mbit/s. */
const SMALL_PICTURE_BPS = 500_000;

/** What the volunteer's own uplink carries. */
export interface OwnLink {
  readonly up: boolean;
  readonly rest: Rest;
  readonly sendsPicture: boolean;
  readonly availableBps: number | null;
}

/** The volunteer's own uplink in words; null before it is known. */
export function uplinkSentence({ up, rest, sendsPicture, availableBps }: OwnLink): Sentence | null {
  if (!up || availableBps === null) return null;
  if (rest === "pictures") return { tone: "weak", text: "uplink.voice" };
  if (rest === "camera") return { tone: "weak", text: "uplink.nocamera" };
  if (sendsPicture && availableBps < SMALL_PICTURE_BPS) return { tone: "note", text: "uplink.small" };
  return { tone: "good", text: "uplink.good" };
}
