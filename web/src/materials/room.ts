/** Which lessons' materials are thrown away to make room. Pure. */

/** Of all lessons in this browser. A deck of 40 pages is 3 MB and a film a few tens: enough for a term of lessons, and little
 *  beside what a browser gives one address on the smallest school computer (a tenth or more of a 32 GB disk). */
export const MOST_BYTES = 600_000_000;
/** Where nothing can be kept on the disk: old boards have 2 GB of memory. */
export const MOST_IN_MEMORY = 64_000_000;

export interface Kept {
  readonly lesson: string;
  readonly bytes: number;
  /** When a page of that lesson was open last, ms since 1970. */
  readonly usedMs: number;
}

/** The lessons to forget, the one that was open longest ago first, so that `more` bytes fit for `current`; null: they do
 *  not fit, whatever is forgotten. */
export function toForget(kept: readonly Kept[], current: string, more: number, most = MOST_BYTES): readonly string[] | null {
  let sum = kept.reduce((all, one) => all + one.bytes, 0) + more;
  const forgotten: string[] = [];
  const others = kept.filter((one) => one.lesson !== current).sort((a, b) => a.usedMs - b.usedMs);
  for (const one of others) {
    if (sum <= most) break;
    sum -= one.bytes;
    forgotten.push(one.lesson);
  }
  return sum <= most ? forgotten : null;
}
