/** Strokes onto canvases, crisp on every screen. Finished strokes lie on one canvas and stay there; those that still grow are
 * painted on another above it, so that a growing stroke costs no repaint of thousands. The same strokes in the same size give
 * the same pixels. Knows no events, no page and no network. */

import { getStroke } from "perfect-freehand";
import { isShape, PAGE_WIDTH, sameInk, type Ink } from "./strokes";
import { layText, LINE_HEIGHT } from "./text";

const HIGHLIGHT_ALPHA = 0.4;
/** Where the letters stand within their line, in font sizes. */
const BASELINE = 1.02;
/** What canvases of one page may hold: a 4K screen has more than an old computer can carry twice. */
const MOST_PIXELS = 2_560;

/** A stroke's outline or line in page units, computed once. */
const paths = new WeakMap<Ink, Path2D>();

function pathOf(ink: Ink): Path2D {
  const known = paths.get(ink);
  if (known !== undefined) return known;
  const path = new Path2D();
  if (ink.tool === "pen") outline(path, ink);
  else if (ink.tool === "highlighter") smooth(path, ink.at);
  else if (isShape(ink.tool)) shape(path, ink);
  paths.set(ink, path);
  return path;
}

/** A pen's stroke as an area: thicker where it was pressed. */
function outline(path: Path2D, ink: Ink): void {
  const points: [number, number, number][] = [];
  for (let n = 0; n + 2 < ink.at.length; n += 3) points.push([ink.at[n] ?? 0, ink.at[n + 1] ?? 0, (ink.at[n + 2] ?? 0) / 100]);
  // Pressure is never guessed from speed, which would make a stroke depend on how its points were batched. `last` keeps the
  // tip under the hand while the stroke grows.
  const area = getStroke(points, { size: ink.width * 1.25, thinning: 0.55, smoothing: 0.5, streamline: 0.35, simulatePressure: false, last: true });
  const [first] = area;
  if (first === undefined) return;
  path.moveTo(first[0] ?? 0, first[1] ?? 0);
  area.forEach(([x = 0, y = 0], n) => {
    const [nx = 0, ny = 0] = area[(n + 1) % area.length] ?? [];
    path.quadraticCurveTo(x, y, (x + nx) / 2, (y + ny) / 2);
  });
  path.closePath();
}

/** A line through the middles between points, bent at the points: no corners. */
function smooth(path: Path2D, at: readonly number[]): void {
  const [x0 = 0, y0 = 0] = at;
  path.moveTo(x0, y0);
  for (let n = 3; n + 5 < at.length; n += 3) {
    const [x = 0, y = 0, , nx = 0, ny = 0] = at.slice(n, n + 5);
    path.quadraticCurveTo(x, y, (x + nx) / 2, (y + ny) / 2);
  }
  // A single tap leaves a dot: the caps are round.
  path.lineTo(at[at.length - 3] ?? x0, at[at.length - 2] ?? y0);
}

function shape(path: Path2D, ink: Ink): void {
  const [x0 = 0, y0 = 0, , x1 = x0, y1 = y0] = ink.at;
  if (ink.tool === "line") {
    path.moveTo(x0, y0);
    path.lineTo(x1, y1);
  } else if (ink.tool === "rectangle") {
    path.rect(Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0));
  } else {
    path.ellipse((x0 + x1) / 2, (y0 + y1) / 2, Math.abs(x1 - x0) / 2, Math.abs(y1 - y0) / 2, 0, 0, 2 * Math.PI);
  }
}

function paintInk(ctx: CanvasRenderingContext2D, ink: Ink, font: string): void {
  ctx.save();
  ctx.fillStyle = ink.color;
  ctx.strokeStyle = ink.color;
  ctx.lineWidth = ink.width;
  ctx.lineCap = "round";
  ctx.lineJoin = "round";
  if (ink.tool === "text") {
    const [x = 0, y = 0] = ink.at;
    ctx.font = `${ink.width}px ${font}`;
    ctx.textBaseline = "alphabetic";
    layText(ink.text, x, ink.width).lines.forEach((line, n) => ctx.fillText(line, x, y + (n * LINE_HEIGHT + BASELINE) * ink.width));
  } else if (ink.tool === "pen") {
    ctx.fill(pathOf(ink));
  } else {
    if (ink.tool === "highlighter") {
      // One path, stroked once: even where it crosses itself. What was written before stays dark under it.
      ctx.globalAlpha = HIGHLIGHT_ALPHA;
      ctx.globalCompositeOperation = "multiply";
    }
    ctx.stroke(pathOf(ink));
  }
  ctx.restore();
}

export class Painter {
  private readonly still: CanvasRenderingContext2D | null;
  private readonly moving: CanvasRenderingContext2D | null;
  /** What lies on the canvas below, in order. */
  private kept: readonly Ink[] = [];
  private growing = 0;

  /** `font` is the CSS list of families for written texts. */
  constructor(
    private readonly below: HTMLCanvasElement,
    private readonly above: HTMLCanvasElement,
    private readonly font: string,
  ) {
    this.still = below.getContext("2d");
    this.moving = above.getContext("2d");
  }

  /** Fit the canvases to a page of that many CSS pixels. True when all must be shown again, as the canvases are empty now. */
  resize(width: number, height: number, ratio: number): boolean {
    const scale = Math.min(ratio, MOST_PIXELS / Math.max(1, width, height));
    const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
    if (this.below.width === w && this.below.height === h) return false;
    for (const canvas of [this.below, this.above]) {
      canvas.width = w;
      canvas.height = h;
    }
    this.kept = [];
    this.growing = 0;
    return true;
  }

  /** Paint exactly these strokes, in their order; only what is new where that is enough. */
  show(inks: readonly Ink[]): void {
    const done = inks.filter((one) => one.done);
    const growing = inks.filter((one) => !one.done);
    const extended = this.kept.length <= done.length && this.kept.every((one, n) => sameInk(one, done[n] as Ink));
    if (!extended) clear(this.still);
    this.put(this.still, extended ? done.slice(this.kept.length) : done);
    this.kept = done;
    if (this.growing > 0) clear(this.moving);
    this.put(this.moving, growing);
    this.growing = growing.length;
  }

  private put(ctx: CanvasRenderingContext2D | null, inks: readonly Ink[]): void {
    if (ctx === null || inks.length === 0) return;
    const scale = ctx.canvas.width / PAGE_WIDTH;
    ctx.setTransform(scale, 0, 0, scale, 0, 0);
    for (const ink of inks) paintInk(ctx, ink, this.font);
  }
}

function clear(ctx: CanvasRenderingContext2D | null): void {
  if (ctx === null) return;
  ctx.setTransform(1, 0, 0, 1, 0, 0);
  ctx.clearRect(0, 0, ctx.canvas.width, ctx.canvas.height);
}
