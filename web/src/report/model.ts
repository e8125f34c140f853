/** What the report page shows, derived from the answer of `GET /api/reports/{lesson}`. Pure: figures, shares and order; the
 * words stand in `words.ts`. */

export interface Stay {
  readonly from_s: number;
  readonly until_s: number;
}

export interface Room {
  readonly participant: string;
  readonly name: string;
  readonly present_s: number;
  readonly stays: readonly Stay[];
  readonly first_at_ms: number | null;
  readonly last_at_ms: number | null;
  readonly heads: number | null;
  readonly called: number;
  readonly called_s: number;
  readonly hands: number;
  readonly signs: Readonly<Record<string, number>>;
  readonly rungs_s: Readonly<Record<string, number>>;
  readonly behind_s: number;
  readonly owed_s: number;
  readonly missed_s: number;
  readonly answered: number;
}

export interface Poll {
  readonly poll: string;
  readonly question: string;
  readonly choices: readonly string[];
  readonly right: number | null;
  readonly answers: readonly { readonly participant: string; readonly name: string; readonly counts: readonly number[] }[];
}

export interface Report {
  readonly lesson: { readonly id: string; readonly title: string; readonly state: "waiting" | "live" | "ended" };
  readonly started_at_ms: number | null;
  readonly ended_at_ms: number | null;
  readonly duration_s: number;
  readonly heads: number;
  readonly rooms: readonly Room[];
  readonly volunteers: readonly { readonly participant: string; readonly name: string; readonly present_s: number }[];
  readonly polls: readonly Poll[];
  readonly marks: readonly string[];
  readonly slides: number;
  readonly chat_lines: number;
}

/** Less than this is no loss that a teacher would notice, and below what the log can tell apart. */
export const WHOLE_S = 60;

/** Shorter stretches have their place in a bar, and no word. */
const WORTH_A_WORD_S = 30;

const REFRESH_MS = 30_000;
/** Rooms that lie behind when the lesson ends hear its end later, and the report learns of it. */
const SETTLED_MS = 20 * 60_000;

/** `waiting`: the lesson has not begun. `nobody`: it has, and no classroom came so far. */
export type View = "waiting" | "nobody" | "rooms";

export function viewOf(report: Report): View {
  if (report.started_at_ms === null) return "waiting";
  return report.rooms.length === 0 ? "nobody" : "rooms";
}

/** Milliseconds until the API is asked again; null: nothing more will come. `nowMs`: this machine's clock. */
export function askAgainMs(report: Report, nowMs: number): number | null {
  if (report.ended_at_ms === null) return report.lesson.state === "ended" ? null : REFRESH_MS;
  return Math.abs(nowMs - report.ended_at_ms) < SETTLED_MS ? REFRESH_MS : null;
}

/** The answers that no retry can change: the link is wrong, withdrawn, or its lesson was deleted. */
export function isFinal(status: number): boolean {
  return status === 401 || status === 403 || status === 404 || status === 410;
}

export function heardAll(room: Room): boolean {
  return room.owed_s === 0 && room.missed_s < WHOLE_S;
}

export interface Figures {
  readonly classrooms: number;
  /** Null: no classroom has said how many. */
  readonly pupils: number | null;
  readonly minutes: number;
  readonly heardAll: number;
}

export function figuresOf(report: Report): Figures {
  return {
    classrooms: report.rooms.length,
    pupils: report.rooms.some((room) => room.heads !== null) ? report.heads : null,
    minutes: minutes(report.duration_s),
    heardAll: report.rooms.filter(heardAll).length,
  };
}

/** Whole minutes as a person would say them: what is not nothing is at least one. */
export function minutes(seconds: number): number {
  return seconds < 1 ? 0 : Math.max(1, Math.round(seconds / 60));
}

export const KINDS = ["full", "reduced", "screen", "sound", "thin", "behind", "reconnecting"] as const;
/** What a room got for some time: a rung of the ladder, or what it missed before. From the best down. */
export type Kind = (typeof KINDS)[number];

/** A stretch of a bar, as shares of the whole from 0 to 1. */
export interface Stretch<K extends string = string> {
  readonly kind: K;
  readonly from: number;
  readonly to: number;
}

/** What a room received, the best first, each with its seconds. */
export function received(room: Room): readonly { readonly kind: Kind; readonly seconds: number }[] {
  return KINDS.map((kind) => ({ kind, seconds: kind === "behind" ? room.behind_s : (room.rungs_s[kind] ?? 0) })).filter(
    ({ seconds }) => seconds > 0,
  );
}

/** Those of `received` that are told in words: the longer ones, or else the longest. */
export function worthAWord(room: Room): readonly { readonly kind: Kind; readonly seconds: number }[] {
  const all = received(room);
  const long = all.filter(({ seconds }) => seconds >= WORTH_A_WORD_S);
  return long.length > 0 ? long : all.slice().sort((a, b) => b.seconds - a.seconds).slice(0, 1);
}

/** Parts one after the other on a bar that stands for `whole`; what is beyond it is cut off. */
export function stacked<K extends string>(
  parts: readonly { readonly kind: K; readonly seconds: number }[],
  whole: number,
): readonly Stretch<K>[] {
  if (whole <= 0) return [];
  const stretches: Stretch<K>[] = [];
  let at = 0;
  for (const { kind, seconds } of parts) {
    const to = Math.min(1, at + seconds / whole);
    if (to > at) stretches.push({ kind, from: at, to });
    at = to;
  }
  return stretches;
}

/** When a room was there, within the lesson. */
export function presence(room: Room, duration_s: number): readonly Stretch<"there">[] {
  if (duration_s <= 0) return [];
  const share = (seconds: number): number => Math.min(1, Math.max(0, seconds / duration_s));
  return room.stays.map(({ from_s, until_s }) => ({ kind: "there", from: share(from_s), to: share(until_s) }));
}

/** All of the lesson, or as good as. */
export function stayedThroughout(room: Room, duration_s: number): boolean {
  return duration_s - room.present_s < WHOLE_S;
}

/** Rooms as people look for them: 3-2 before 3-10. */
export function inOrder<Named extends { readonly name: string }>(rooms: readonly Named[], language: string): Named[] {
  const collator = new Intl.Collator(language, { numeric: true });
  return rooms.slice().sort((a, b) => collator.compare(a.name, b.name));
}

export function letter(choice: number): string {
  return String.fromCharCode(65 + choice);
}

export interface Choice {
  readonly text: string;
  readonly count: number;
  /** Of all answers, 0 to 1. */
  readonly share: number;
  readonly right: boolean;
}

/** What all classrooms chose together. */
export function choicesOf(poll: Poll): readonly Choice[] {
  const counts = poll.choices.map((_, n) => sum(poll.answers.map((answer) => answer.counts[n] ?? 0)));
  const all = sum(counts);
  return poll.choices.map((text, n) => {
    const count = counts[n] ?? 0;
    return { text, count, share: all === 0 ? 0 : count / all, right: poll.right === n };
  });
}

/** The share of a classroom's pupils that chose rightly, 0 to 1; null: no right answer was told, or nobody answered. */
export function rightShare(poll: Poll, counts: readonly number[]): number | null {
  const all = sum(counts);
  return poll.right === null || all === 0 ? null : (counts[poll.right] ?? 0) / all;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
