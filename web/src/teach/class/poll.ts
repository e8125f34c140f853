/** What the answers to a question come to: per choice, over all classrooms and for each. Pure. */

import type { Poll } from "../../generated/messages";

export const LETTERS = "ABCDEF";

export interface Row {
  readonly choice: number;
  readonly letter: string;
  readonly text: string;
  readonly count: number;
  /** Whole percent of all pupils who chose. */
  readonly percent: number;
  /** The length of its bar: 1 for the longest of all. */
  readonly length: number;
}

/** One row for each choice, over all classrooms. */
export function rows(poll: Poll): readonly Row[] {
  const counts = poll.choices.map((_, n) => poll.answers.reduce((all, one) => all + (one.counts[n] ?? 0), 0));
  return rowsOf(poll, counts);
}

/** One row for each choice, of these counts. */
export function rowsOf(poll: Poll, counts: readonly number[]): readonly Row[] {
  const all = total(counts);
  const most = Math.max(1, ...counts);
  return poll.choices.map((text, n) => {
    const count = counts[n] ?? 0;
    return { choice: n, letter: letterOf(n), text, count, percent: all === 0 ? 0 : Math.round((count * 100) / all), length: count / most };
  });
}

export function letterOf(choice: number): string {
  return LETTERS.charAt(choice);
}

export function total(counts: readonly number[]): number {
  return counts.reduce((all, one) => all + one, 0);
}

/** How many pupils have chosen something. */
export function pupils(poll: Poll): number {
  return poll.answers.reduce((all, one) => all + total(one.counts), 0);
}

/** How many classrooms have answered, of those that could: who answered and has gone counts as well. */
export function answered(poll: Poll, here: readonly string[]): { readonly count: number; readonly of: number } {
  const gone = poll.answers.filter((one) => here.indexOf(one.participant) < 0).length;
  return { count: poll.answers.length, of: here.length + gone };
}

/** The question that is shown when nothing else is asked for: the newest, unless it was put away. */
export function newest(polls: readonly Poll[]): Poll | null {
  return polls[polls.length - 1] ?? null;
}
