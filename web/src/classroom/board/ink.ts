/** The strokes of the pages as this room sees them, when events come late (held back with the sound) and whole pages come at
 * once. Pure. What a page already has in it when it comes must not be drawn a second time. */

import { afterEvent, inksOf, knows, noPages, withPage, type Ink, type Pages, type StrokeEvent } from "../../board/index";
import type { BoardState, Happened, PageStrokes } from "../../generated/messages";

export interface Inks {
  readonly pages: Pages;
  /** Up to which event each page is whole. */
  readonly upTo: Readonly<Record<string, number>>;
}

export const NO_INKS: Inks = { pages: noPages(false), upTo: {} };

const STROKES = ["stroke_begun", "stroke_grew", "strokes_hidden", "strokes_shown"];

/** After the greeting: all that was known may be wrong by now, but for the page that came with it. */
export function greeted({ stage, strokes, seq }: BoardState): Inks {
  if (stage.page === "") return NO_INKS;
  return { pages: withPage(noPages(false), stage.page, strokes), upTo: { [stage.page]: seq } };
}

/** A page has come, as it was asked for. */
export function withWhole(inks: Inks, { page, seq, strokes }: PageStrokes): Inks {
  if ((inks.upTo[page] ?? 0) > seq) return inks;
  return { pages: withPage(inks.pages, page, strokes), upTo: { ...inks.upTo, [page]: seq } };
}

/** Nothing was ever drawn on `page`. */
export function withEmpty(inks: Inks, page: string): Inks {
  return { ...inks, pages: withPage(inks.pages, page, []) };
}

/** One event more, if it is one of strokes. */
export function inked(inks: Inks, { seq, by, event }: Happened): Inks {
  if (STROKES.indexOf(event.type) < 0) return inks;
  const stroke = event as StrokeEvent;
  if (seq <= (inks.upTo[stroke.page] ?? 0)) return inks;
  const pages = afterEvent(inks.pages, stroke, by);
  return pages === inks.pages ? inks : { ...inks, pages };
}

/** True when `page` must be asked for: it never came, or a stroke came back that is not known here. */
export function lacks(inks: Inks, page: string): boolean {
  return page !== "" && !knows(inks.pages, page);
}

export function strokesOf(inks: Inks, page: string): readonly Ink[] {
  return inksOf(inks.pages, page);
}
