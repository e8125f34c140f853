/** What is drawn, as data: strokes, the flat form in which their points travel, and what the eraser touches. All lengths are
 * in 1/10000 of the page's width, for x and y alike. Knows no canvas, no socket and no clock. */

import type { Stroke } from "../generated/messages";
import { distanceToPath, distanceToSegment, ellipsePath } from "./geometry";
import { layText, LINE_HEIGHT } from "./text";

export type StrokeTool = Stroke["tool"];

/** A stroke as it is painted: points in `at` are absolute, three numbers each; a shape has two, a text one. */
export interface Ink {
  readonly id: string;
  readonly by: string;
  readonly tool: StrokeTool;
  readonly color: string;
  readonly width: number;
  readonly at: readonly number[];
  readonly text: string;
  /** False while its hand still draws it. */
  readonly done: boolean;
  /** Erased, undone or cleared; it may come back. */
  readonly gone: boolean;
}

export const PAGE_WIDTH = 10_000;
/** What a mouse and a finger press with. */
export const PRESSURE_UNKNOWN = 50;
export const MOST_TEXT = 500;

/** Tools whose stroke is two corners, the later one moving. */
export function isShape(tool: StrokeTool): boolean {
  return tool === "line" || tool === "rectangle" || tool === "ellipse";
}

/** Absolute points as they travel. `before` is the point that the receiver has last; without it the first stays absolute. */
export function flatten(at: readonly number[], before: readonly number[] = []): number[] {
  const flat: number[] = [];
  let [x = 0, y = 0, p = 0] = before;
  for (let n = 0; n + 2 < at.length; n += 3) {
    const [nx = 0, ny = 0, np = 0] = [at[n], at[n + 1], at[n + 2]];
    flat.push(nx - x, ny - y, np - p);
    [x, y, p] = [nx, ny, np];
  }
  return flat;
}

/** The inverse of `flatten`. What does not fill a point is left out. */
export function unflatten(flat: readonly number[], before: readonly number[] = []): number[] {
  const at: number[] = [];
  let [x = 0, y = 0, p = 0] = before;
  for (let n = 0; n + 2 < flat.length; n += 3) {
    x += flat[n] ?? 0;
    y += flat[n + 1] ?? 0;
    p += flat[n + 2] ?? 0;
    at.push(x, y, p);
  }
  return at;
}

/** The last point of `at`, or none. */
export function lastPoint(at: readonly number[]): readonly number[] {
  return at.slice(-3);
}

/** A stroke that has arrived, ready to be painted. */
export function inkOf(stroke: Stroke, done: boolean): Ink {
  const { id, by, tool, color, width, points } = stroke;
  const first: Ink = {
    id, by, tool, color, width, text: stroke.text ?? "", done: done || tool === "text", gone: false,
    at: isShape(tool) || tool === "text" ? points.slice(0, 3) : unflatten(points),
  };
  // The later corner of a shape comes as it is, also in the whole stroke.
  return isShape(tool) && points.length > 3 ? grown(first, points.slice(3)) : first;
}

/** `ink` with what its hand drew since: differences for a freehand stroke, the new end for a shape. */
export function grown(ink: Ink, points: readonly number[]): Ink {
  if (!isShape(ink.tool)) {
    const more = unflatten(points, lastPoint(ink.at));
    return more.length === 0 ? ink : { ...ink, at: ink.at.concat(more) };
  }
  const [x, y] = points;
  if (x === undefined || y === undefined) return ink;
  return { ...ink, at: ink.at.slice(0, 3).concat([x, y, PRESSURE_UNKNOWN]) };
}

/** True when both are painted alike: the same finished stroke, once from the own hand and once from the server. */
export function sameInk(a: Ink, b: Ink): boolean {
  if (a === b) return true;
  const last = a.at.length - 1;
  return (
    a.id === b.id && a.done && b.done && last === b.at.length - 1 && a.at[last - 2] === b.at[last - 2] && a.at[last - 1] === b.at[last - 1]
  );
}

/** True when an eraser of radius `reach` at (x, y) touches `ink`. A shape is its outline: what lies within is not hit. */
export function touches(ink: Ink, x: number, y: number, reach: number): boolean {
  if (ink.gone) return false;
  const [x0 = 0, y0 = 0] = ink.at;
  const [x1 = x0, y1 = y0] = ink.at.slice(3);
  const near = reach + ink.width / 2;
  switch (ink.tool) {
    case "text": {
      const { lines, width } = layText(ink.text, x0, ink.width);
      const height = lines.length * LINE_HEIGHT * ink.width;
      return x >= x0 - reach && x <= x0 + width + reach && y >= y0 - reach && y <= y0 + height + reach;
    }
    case "line":
      return distanceToSegment(x, y, x0, y0, x1, y1) <= near;
    case "rectangle":
      return distanceToPath(x, y, [x0, y0, x1, y0, x1, y1, x0, y1, x0, y0], 2) <= near;
    case "ellipse":
      return distanceToPath(x, y, ellipsePath(x0, y0, x1, y1), 2) <= near;
    case "pen":
    case "highlighter":
      return distanceToPath(x, y, ink.at, 3) <= near;
  }
}
