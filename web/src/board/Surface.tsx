/** The surface that is drawn on and looked at: slide or paper, strokes, laser dot, and - with a tool in hand - the pen. Shows
 * the own strokes at once, and the server's when they are told. Knows no lesson and no socket: what was drawn goes to `onDraw`. */

import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { t } from "../lib/i18n";
import "./board.css";
import { holdOver, type Hold } from "./hold";
import { Hand, type HandMessage, type Held } from "./pen";
import { Sheet } from "./sheet";
import { echoDrawn, echoErased, ECHO_LASTS_MS, NO_ECHO, seen, settled, type Echo } from "./state";
import { PAGE_WIDTH, touches, type Ink } from "./strokes";
import { openWriting } from "./writing";

/** In 1/10000 of the page's width. */
export interface Spot {
  readonly x: number;
  readonly y: number;
}

export interface SurfaceProps {
  readonly page: string;
  /** Height by width of the page. */
  readonly aspect: number;
  /** Addresses of the page's picture, best first; none for a blank page. */
  readonly backgrounds: readonly string[];
  /** The page's strokes as the server tells them, gone ones among them (`inksOf`). */
  readonly strokes: readonly Ink[];
  /** Where someone else's laser points. */
  readonly pointer: Spot | null;
  /** What to call the page for who cannot see it. */
  readonly label: string;
  /** `clear`: nothing behind the strokes, as over a video. */
  readonly ground?: "paper" | "clear" | undefined;
  /** What the hand holds; without it nobody draws here. */
  readonly held?: Held | null | undefined;
  /** The eraser takes only strokes of this participant, as a classroom's does; without it those of all. */
  readonly erasesOnly?: string | undefined;
  readonly onDraw?: ((message: HandMessage) => void) | undefined;
  /** Told of each page as it comes into sight. */
  readonly onShown?: ((page: string) => void) | undefined;
  /** Counts up when the server told its whole state anew: own strokes that it does not know are lost. */
  readonly epoch?: number | undefined;
}

const TAIL = [0, 1, 2, 3, 4];

/** What lives as long as the surface does, beside Preact. */
interface Parts {
  readonly sheet: Sheet;
  readonly hand: Hand;
  hold: Hold | null;
  echo: Echo;
  closeWriting: (() => void) | null;
  /** What was seen last, and of what it was made. */
  seen: { readonly of: readonly unknown[]; readonly inks: readonly Ink[] };
  timer: ReturnType<typeof setTimeout> | null;
}

export function Surface(props: SurfaceProps): JSX.Element {
  const room = useRef<HTMLDivElement>(null);
  const page = useRef<HTMLDivElement>(null);
  const back = useRef<HTMLDivElement>(null);
  const below = useRef<HTMLCanvasElement>(null);
  const above = useRef<HTMLCanvasElement>(null);
  const laser = useRef<HTMLDivElement>(null);
  const own = useRef<HTMLDivElement>(null);
  const parts = useRef<Parts | null>(null);
  const latest = useRef(props);
  latest.current = props;

  useLayoutEffect(() => {
    const made = assemble(
      [room.current, page.current, back.current, own.current] as HTMLDivElement[],
      [below.current, above.current] as HTMLCanvasElement[],
      latest,
    );
    parts.current = made;
    return () => {
      made.closeWriting?.();
      made.hold?.release();
      made.sheet.destroy();
      if (made.timer !== null) clearTimeout(made.timer);
      parts.current = null;
    };
  }, []);

  useLayoutEffect(() => {
    const made = parts.current;
    if (made === null) return;
    made.echo = NO_ECHO;
    made.hand.restart();
    made.hold?.pump();
  }, [props.epoch]);

  useLayoutEffect(() => {
    if (parts.current !== null) show(parts.current, props);
  }, [props.page, props.aspect, props.backgrounds.join("\n"), props.strokes, props.epoch]);

  const { held = null } = props;
  const draws = held !== null;
  useEffect(() => {
    const made = parts.current;
    const over = page.current;
    if (made === null || over === null || !draws) return undefined;
    made.hold = holdOver(over, made.hand, (message) => latest.current.onDraw?.(message));
    return () => {
      made.closeWriting?.();
      made.hold?.release();
      made.hold = null;
    };
  }, [draws]);
  useLayoutEffect(() => {
    const made = parts.current;
    if (made === null || held === null) return;
    made.closeWriting?.();
    made.hand.hold(held);
    made.hold?.pump();
  }, [held?.tool, held?.color, held?.width]);

  useLayoutEffect(() => aim(laser.current, props.pointer), [props.pointer]);

  const cursor = held === null ? "" : ` board-holds-${held.tool}`;
  return (
    <div class={`board-surface${props.ground === "clear" ? " board-clear" : ""}`} ref={room}>
      <div class={`board-page${cursor}`} ref={page} data-test="board-page">
        <div class="board-back" ref={back} role="img" aria-label={props.label} />
        <canvas class="board-canvas" ref={below} />
        <canvas class="board-canvas" ref={above} />
        <Dot at={laser} />
        <Dot at={own} own />
      </div>
    </div>
  );
}

/** The laser's dot, and those that follow it ever later: they are its tail while it moves, and hidden under it at rest. */
function Dot({ at, own = false }: { at: { current: HTMLDivElement | null }; own?: boolean }): JSX.Element {
  return (
    <div class={`board-laser${own ? " board-laser-own" : ""}`} ref={at} aria-hidden="true">
      {TAIL.map((n) => (
        <i key={n} />
      ))}
    </div>
  );
}

function aim(dot: HTMLElement | null, at: Spot | null): void {
  if (dot === null) return;
  dot.classList.toggle("board-laser-on", at !== null);
  if (at === null) return;
  dot.style.setProperty("--x", `${at.x}`);
  dot.style.setProperty("--y", `${at.y}`);
}

/** `seen`, made anew only when something has changed: a page may hold thousands. */
function seenBy(parts: Parts, strokes: readonly Ink[], page: string): readonly Ink[] {
  const of = [strokes, page, parts.echo];
  if (of.some((one, n) => one !== parts.seen.of[n])) parts.seen = { of, inks: seen(strokes, page, parts.echo) };
  return parts.seen.inks;
}

function show(parts: Parts, props: SurfaceProps): void {
  const { page, aspect, backgrounds, strokes } = props;
  const now = performance.now();
  parts.echo = settled(parts.echo, page, strokes, now);
  parts.sheet.show({ page, aspect, backgrounds, inks: () => seenBy(parts, strokes, page) });
  if (parts.sheet.shown.page !== page) {
    // The slide is on its way. What would be drawn until it is here would lie on the page before, out of sight.
    parts.closeWriting?.();
    parts.hand.turnTo("", 0);
  } else {
    parts.hand.turnTo(page, aspect * PAGE_WIDTH);
  }
  // What is never confirmed goes again, though nothing else happens.
  if (parts.timer !== null) clearTimeout(parts.timer);
  const waits = parts.echo.erased.length > 0 || parts.echo.drawn.some((one) => one.doneMs !== null);
  parts.timer = waits ? setTimeout(() => show(parts, props), ECHO_LASTS_MS + 100) : null;
}

function assemble(
  [room, page, back, own]: HTMLDivElement[],
  [below, above]: HTMLCanvasElement[],
  latest: { readonly current: SurfaceProps },
): Parts {
  if (!room || !page || !back || !own || !below || !above) throw new Error("the surface is not in the page");
  const repaint = (): void => show(parts, latest.current);
  const sheet = new Sheet(room, page, back, below, above, (shown) => {
    parts.closeWriting?.();
    hand.turnTo(shown, sheet.shown.aspect * PAGE_WIDTH);
    parts.hold?.pump();
    latest.current.onShown?.(shown);
  });
  const hand: Hand = new Hand({
    newId,
    under: (x, y, reach) => {
      const { erasesOnly } = latest.current;
      // What the server has not told of yet has no name on it, and is the own.
      const mine = (one: Ink): boolean => erasesOnly === undefined || one.by === "" || one.by === erasesOnly;
      return sheet.shown.inks().filter((one) => mine(one) && touches(one, x, y, reach)).map((one) => one.id);
    },
    onInk: (on, ink) => {
      parts.echo = echoDrawn(parts.echo, on, ink, performance.now());
      if (ink.done) repaint();
      else sheet.repaintSoon();
    },
    onErase: (_, ids) => {
      parts.echo = echoErased(parts.echo, ids, performance.now());
      repaint();
    },
    onLaser: (at) => aim(own, at),
    onWrite: (x, y) => {
      parts.closeWriting?.();
      const held = latest.current.held;
      if (!held) return;
      const place = { x, y, size: held.width, color: held.color, label: t("board.write"), hint: t("board.write.hint") };
      parts.closeWriting = openWriting(page, place, (text) => {
        parts.closeWriting = null;
        hand.write(x, y, text, held);
        parts.hold?.pump();
      });
    },
  });
  const parts: Parts = { sheet, hand, hold: null, echo: NO_ECHO, closeWriting: null, seen: { of: [], inks: [] }, timer: null };
  return parts;
}

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** 72 random bits: unique among the strokes of all lessons there will be. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (one) => LETTERS.charAt(one & 63)).join("");
}
