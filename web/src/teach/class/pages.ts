/** How many classrooms are seen at once, and which: the strip turns like a book, and nothing in it jumps. Pure. */

/** A tile with all it may say. */
const FULL_PX = 128;
/** A tile of two lines. */
const COMPACT_PX = 66;
const PAGER_PX = 56;
/** Fewer than this on a page is no overview: then the strip scrolls instead. */
const LEAST = 3;
/** On a phone the page itself scrolls, so its height says nothing. */
const ON_A_PHONE = { full: 5, compact: 8 };

export interface Fit {
  readonly perPage: number;
  readonly compact: boolean;
}

/** Full tiles where all of them fit, else compact ones in pages. `heightPx` null: the page itself scrolls. */
export function fit(heightPx: number | null, count: number): Fit {
  if (heightPx === null) {
    return count <= ON_A_PHONE.full ? { perPage: ON_A_PHONE.full, compact: false } : { perPage: ON_A_PHONE.compact, compact: true };
  }
  const full = Math.floor(heightPx / FULL_PX);
  if (count <= Math.max(full, 2)) return { perPage: Math.max(full, 2), compact: false };
  const all = Math.floor(heightPx / COMPACT_PX);
  if (count <= Math.max(all, LEAST)) return { perPage: Math.max(all, LEAST), compact: true };
  return { perPage: Math.max(LEAST, Math.floor((heightPx - PAGER_PX) / COMPACT_PX)), compact: true };
}

/** How many pages there are; one at least. */
export function pagesOf(count: number, perPage: number): number {
  return Math.max(1, Math.ceil(count / perPage));
}

/** The page that is shown when `wanted` may be gone. */
export function within(wanted: number, pages: number): number {
  return Math.max(0, Math.min(pages - 1, wanted));
}

/** The pages, from 0, that have a button: all, or as many as there is room for, around the one that is shown. */
export function buttons(pages: number, current: number, most: number): readonly number[] {
  const shown = Math.min(pages, most);
  const first = Math.max(0, Math.min(pages - shown, current - Math.floor(shown / 2)));
  return Array.from({ length: shown }, (_, n) => first + n);
}

/** The pages on which one of `marked` stands. */
export function pagesWith(all: readonly string[], marked: readonly string[], perPage: number): readonly number[] {
  const found: number[] = [];
  all.forEach((id, place) => {
    const page = Math.floor(place / perPage);
    if (marked.indexOf(id) >= 0 && found.indexOf(page) < 0) found.push(page);
  });
  return found;
}
