/** The strokes of a lesson's pages: what the events make of them, and the own hand's strokes before the server has told of
 * them. Pure: the same events in the same order give the same pages, live and in a replay. Knows no socket and no clock. */

import type { Pointed, Stroke, StrokeBegun, StrokeGrew, StrokesHidden, StrokesShown } from "../generated/messages";
import { grown, inkOf, type Ink } from "./strokes";

/** The events of the timeline that change strokes; all others leave the pages as they are. */
export type StrokeEvent = StrokeBegun | StrokeGrew | StrokesHidden | StrokesShown;

export interface Pages {
  /** Strokes in the order in which they began, gone ones among them. */
  readonly inks: Readonly<Record<string, readonly Ink[]>>;
  /** True for a replay, which hears all events from the first: a page that is not here is empty. False in a lesson: such a
   * page is unknown, and what happens on it comes with the page itself. */
  readonly whole: boolean;
  /** Pages on which a stroke came back that is not known here (it was gone when the page came): to be asked for again. */
  readonly stale: readonly string[];
}

const NONE: readonly Ink[] = [];

export function noPages(whole: boolean): Pages {
  return { inks: {}, whole, stale: [] };
}

/** The strokes of `page`; empty when the page is not known. */
export function inksOf(pages: Pages, page: string): readonly Ink[] {
  return pages.inks[page] ?? NONE;
}

/** True when `page` need not be asked for. */
export function knows(pages: Pages, page: string): boolean {
  return pages.whole || (pages.inks[page] !== undefined && pages.stale.indexOf(page) < 0);
}

/** The server's answer about a page replaces what was known of it. */
export function withPage(pages: Pages, page: string, strokes: readonly Stroke[]): Pages {
  const inks = strokes.map((one) => inkOf(one, true));
  return put({ ...pages, stale: pages.stale.filter((one) => one !== page) }, page, inks);
}

/** The pages after `event`, which `by` caused. */
export function afterEvent(pages: Pages, event: StrokeEvent, by: string): Pages {
  if (!pages.whole && pages.inks[event.page] === undefined) return pages;
  const inks = inksOf(pages, event.page);
  switch (event.type) {
    case "stroke_begun":
      if (inks.some((one) => one.id === event.id)) return pages;
      return put(pages, event.page, inks.concat(inkOf({ ...event, by }, event.done === true)));
    case "stroke_grew":
      return grow(pages, event);
    case "strokes_hidden":
      return change(pages, event.page, event.ids, (one) => ({ ...one, gone: true }));
    case "strokes_shown":
      return change(withStale(pages, event), event.page, event.ids, (one) => ({ ...one, gone: false }));
    default:
      return pages;
  }
}

function withStale(pages: Pages, event: StrokesShown): Pages {
  const known = new Set(inksOf(pages, event.page).map((one) => one.id));
  const missing = event.ids.some((id) => !known.has(id));
  if (!missing || pages.whole || pages.stale.indexOf(event.page) >= 0) return pages;
  return { ...pages, stale: pages.stale.concat(event.page) };
}

/** Where the laser of a `pointed` event points, or null when it is off. What is zero is not sent. */
export function spotOf({ x = 0, y = 0, off = false }: Pointed): { readonly x: number; readonly y: number } | null {
  return off ? null : { x, y };
}

function put(pages: Pages, page: string, inks: readonly Ink[]): Pages {
  return { ...pages, inks: { ...pages.inks, [page]: inks } };
}

/** Most events are these, and of the newest strokes: a replay adds thousands at a jump, so they must not cost a look at each. */
function grow(pages: Pages, { page, id, points, done = false }: StrokeGrew): Pages {
  const inks = inksOf(pages, page);
  for (let n = inks.length - 1; n >= 0; n--) {
    const one = inks[n];
    if (one === undefined || one.id !== id) continue;
    const next = inks.slice();
    next[n] = { ...grown(one, points), done };
    return put(pages, page, next);
  }
  return pages;
}

function change(pages: Pages, page: string, ids: readonly string[], how: (ink: Ink) => Ink): Pages {
  const wanted = new Set(ids);
  let found = false;
  const inks = inksOf(pages, page).map((one) => {
    if (!wanted.has(one.id)) return one;
    found = true;
    return how(one);
  });
  return found ? put(pages, page, inks) : pages;
}

/** What the own hand did that the server has not told back yet. */
export interface Echo {
  readonly drawn: readonly { readonly page: string; readonly ink: Ink; readonly doneMs: number | null }[];
  readonly erased: readonly { readonly id: string; readonly atMs: number }[];
}

export const NO_ECHO: Echo = { drawn: [], erased: [] };

/** An own stroke that the server does not confirm within this was lost or refused, and would be seen by nobody else. */
export const ECHO_LASTS_MS = 15_000;

/** The echo after the own stroke `ink` began, grew or ended. */
export function echoDrawn(echo: Echo, page: string, ink: Ink, nowMs: number): Echo {
  const others = echo.drawn.filter((one) => one.ink.id !== ink.id);
  return { ...echo, drawn: others.concat({ page, ink, doneMs: ink.done ? nowMs : null }) };
}

/** The echo after the own eraser touched `ids`. */
export function echoErased(echo: Echo, ids: readonly string[], nowMs: number): Echo {
  return { ...echo, erased: echo.erased.concat(ids.map((id) => ({ id, atMs: nowMs }))) };
}

/** The echo without what the server's strokes of `page` have caught up with, and without what has waited too long. */
export function settled(echo: Echo, page: string, inks: readonly Ink[], nowMs: number): Echo {
  if (echo.drawn.length === 0 && echo.erased.length === 0) return echo;
  const known = new Map(inks.map((one) => [one.id, one] as const));
  const caught = (ink: Ink | undefined): boolean => ink !== undefined && (ink.done || ink.gone);
  const drawn = echo.drawn.filter(
    (one) => !(one.page === page && one.doneMs !== null && caught(known.get(one.ink.id))) && (one.doneMs ?? nowMs) + ECHO_LASTS_MS >= nowMs,
  );
  const erased = echo.erased.filter((one) => known.get(one.id)?.gone !== true && one.atMs + ECHO_LASTS_MS >= nowMs);
  return drawn.length === echo.drawn.length && erased.length === echo.erased.length ? echo : { drawn, erased };
}

/** What is seen of `page`: the server's strokes that are not gone, with the own hand's last state over them. */
export function seen(inks: readonly Ink[], page: string, echo: Echo): readonly Ink[] {
  const own = new Map(echo.drawn.filter((one) => one.page === page).map((one) => [one.ink.id, one.ink] as const));
  const erased = new Set(echo.erased.map((one) => one.id));
  const shown: Ink[] = [];
  for (const ink of inks) {
    const mine = own.get(ink.id);
    own.delete(ink.id);
    if (!ink.gone && !erased.has(ink.id)) shown.push(mine === undefined || ink.done ? ink : mine);
  }
  own.forEach((ink) => {
    if (!erased.has(ink.id)) shown.push(ink);
  });
  return shown;
}
