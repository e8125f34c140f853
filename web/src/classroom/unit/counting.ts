/** Counting hands: what the local teacher taps or types, and what it comes to over all classrooms. Pure. */

import type { Answer, Poll } from "../../generated/messages";

/** As many as a classroom can have; the server takes no more. */
export const MOST = 500;

/** What was counted so far.
 *
 * `taps`: which choice each tap counted, newest last, so that a slip of the finger is taken back. */
export interface Tally {
  readonly counts: readonly number[];
  readonly taps: readonly number[];
}

/** Nothing counted, or what was sent before. */
export function tallyOf(choices: number, sent: readonly number[] | null): Tally {
  const counts: number[] = [];
  for (let n = 0; n < choices; n += 1) counts.push(sent?.[n] ?? 0);
  return { counts, taps: [] };
}

/** Exactly this many chose `choice`. */
export function withCount(tally: Tally, choice: number, count: number): Tally {
  return { counts: replaced(tally.counts, choice, within(count)), taps: tally.taps };
}

/** One card more is seen. */
export function tapped(tally: Tally, choice: number): Tally {
  const count = tally.counts[choice] ?? 0;
  if (count >= MOST) return tally;
  return { counts: replaced(tally.counts, choice, count + 1), taps: tally.taps.concat([choice]) };
}

/** The last tap was none. */
export function takenBack(tally: Tally): Tally {
  const choice = tally.taps[tally.taps.length - 1];
  if (choice === undefined) return tally;
  return { counts: replaced(tally.counts, choice, within((tally.counts[choice] ?? 0) - 1)), taps: tally.taps.slice(0, -1) };
}

/** The number a person typed: digits of any width, nothing else; an empty field is 0. */
export function typed(text: string): number {
  let digits = "";
  for (const letter of text) {
    const code = letter.charCodeAt(0);
    // Chinese input methods write full-width digits.
    if (code >= 0xff10 && code <= 0xff19) digits += String(code - 0xff10);
    else if (code >= 0x30 && code <= 0x39) digits += letter;
  }
  return within(Number(digits.slice(0, 4)));
}

export function sum(counts: readonly number[]): number {
  return counts.reduce((all, one) => all + one, 0);
}

/** How many more than there are pupils; 0 where that fits, or nobody has said how many there are. */
export function over(counts: readonly number[], heads: number | null): number {
  return heads === null || heads === 0 ? 0 : Math.max(0, sum(counts) - heads);
}

export function same(one: readonly number[], other: readonly number[] | null): boolean {
  return other !== null && one.length === other.length && one.every((count, n) => count === other[n]);
}

export interface Bar {
  readonly count: number;
  /** Whole percent of all who chose. */
  readonly percent: number;
  /** Length of its bar, 0 to 1: the longest of all has 1. */
  readonly length: number;
}

/** One bar for each choice. */
export function bars(counts: readonly number[]): readonly Bar[] {
  const all = sum(counts);
  const most = Math.max(1, ...counts);
  return counts.map((count) => ({ count, percent: all === 0 ? 0 : Math.round((count * 100) / all), length: count / most }));
}

/** How many chose each, over all classrooms. */
export function totals(poll: Poll): readonly number[] {
  return poll.choices.map((_, n) => poll.answers.reduce((all, answer) => all + (answer.counts[n] ?? 0), 0));
}

/** The classrooms to compare, one's own first, and how many more there are. */
export function compared(poll: Poll, you: string, most: number): { readonly rooms: readonly Answer[]; readonly more: number } {
  const own = poll.answers.filter((one) => one.participant === you);
  const rooms = own.concat(poll.answers.filter((one) => one.participant !== you)).slice(0, most);
  return { rooms, more: poll.answers.length - rooms.length };
}

/** The letter of a choice. */
export function letter(choice: number): string {
  return "ABCDEF".charAt(choice);
}

function within(count: number): number {
  return Math.max(0, Math.min(MOST, Math.round(count)));
}

function replaced(counts: readonly number[], place: number, count: number): readonly number[] {
  return counts.map((one, n) => (n === place ? count : one));
}
