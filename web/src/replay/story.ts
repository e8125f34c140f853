/** A lesson's timeline as a replay tells it: each event at its second of the programme, and what stood on the board at any
 * second. Pure: the log and the parts of the recording in, scenes out. Jumping gives what playing through gives. */

import { afterEvent, noPages, spotOf, type Pages } from "../board/state";
import type { Happened } from "../generated/messages";
import { type Board, EMPTY_BOARD, happened } from "../lib/board";

/** A stretch of the recording without a break: from second `starts_at_s` of the programme on it is what was from `began_at_ms`
 * on (milliseconds since 1970 by the server's clock). */
export interface Part {
  readonly starts_at_s: number;
  readonly duration_s: number;
  readonly began_at_ms: number;
}

/** The board at one moment. */
export interface Scene {
  readonly board: Board;
  readonly pages: Pages;
  /** Where a laser points on the shown page, in 1/10000 of its width. */
  readonly pointer: { readonly x: number; readonly y: number } | null;
}

export const FIRST_SCENE: Scene = { board: EMPTY_BOARD, pages: noPages(true), pointer: null };

/** The programme's second of a moment of the lesson. What happened while nothing was recorded stands where the recording goes
 * on; what happened after its end, at the end.
 *
 * @param growing the last part is still being recorded, so that its end is not known
 */
export function secondOf(parts: readonly Part[], at_ms: number, growing = false): number {
  let second = parts[0]?.starts_at_s ?? 0;
  for (let n = 0; n < parts.length; n++) {
    const part = parts[n] as Part;
    if (part.began_at_ms > at_ms) return Math.max(second, part.starts_at_s);
    const into_s = (at_ms - part.began_at_ms) / 1000;
    if (into_s <= part.duration_s || (growing && n === parts.length - 1)) return part.starts_at_s + into_s;
    second = part.starts_at_s + part.duration_s;
  }
  return second;
}

/** The lesson's moment (milliseconds since 1970) that is heard at a second of the programme. */
export function momentOf(parts: readonly Part[], second: number): number {
  let found = parts[0];
  for (const part of parts) if (part.starts_at_s <= second) found = part;
  return found === undefined ? second * 1000 : found.began_at_ms + (second - found.starts_at_s) * 1000;
}

/** One event more. */
export function sceneAfter(scene: Scene, one: Happened): Scene {
  const board = happened(scene.board, one);
  const { event, by } = one;
  switch (event.type) {
    case "stroke_begun":
    case "stroke_grew":
    case "strokes_hidden":
    case "strokes_shown":
      return { ...scene, board, pages: afterEvent(scene.pages, event, by) };
    case "pointed":
      return { ...scene, board, pointer: spotOf(event) };
    case "stage_shown":
      return { ...scene, board, pointer: null };
    default:
      return { ...scene, board };
  }
}

/** A jump computes at most so many events anew. */
const CHECKPOINT_EVERY = 200;

export class Story {
  private log: Happened[] = [];
  private seconds: number[] = [];
  /** The scene before event `n * CHECKPOINT_EVERY`. */
  private readonly checkpoints: Scene[] = [FIRST_SCENE];
  private parts: readonly Part[] = [];
  private growing = false;
  /** What was asked for last: playing on goes from there. */
  private last: { readonly count: number; readonly scene: Scene } = { count: 0, scene: FIRST_SCENE };

  /** All events so far, in order. */
  get events(): readonly Happened[] {
    return this.log;
  }

  /** The number of the newest event; 0: none. */
  get seq(): number {
    return this.log[this.log.length - 1]?.seq ?? 0;
  }

  /** The programme's second of the event at `index`. */
  secondAt(index: number): number {
    return this.seconds[index] ?? 0;
  }

  /** What has happened since. Events that are here already are left out. */
  add(more: readonly Happened[]): void {
    for (const one of more) {
      if (one.seq <= this.seq) continue;
      this.log.push(one);
      this.seconds.push(this.after(this.log.length - 1));
    }
  }

  /** The recording as it stands now. */
  place(parts: readonly Part[], growing: boolean): void {
    this.parts = parts;
    this.growing = growing;
    this.seconds = [];
    for (let n = 0; n < this.log.length; n++) this.seconds.push(this.after(n));
  }

  private after(n: number): number {
    const second = secondOf(this.parts, this.log[n]?.at_ms ?? 0, this.growing);
    // Parts are told in rounded figures: order must not hang on them.
    return Math.max(second, this.seconds[n - 1] ?? 0);
  }

  /** How many events have happened at a second of the programme. */
  countAt(second: number): number {
    let [low, high] = [0, this.seconds.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.seconds[middle] as number) <= second) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The board at a second of the programme; the same object while nothing happens. */
  sceneAt(second: number): Scene {
    const count = this.countAt(second);
    if (count === this.last.count) return this.last.scene;
    const from = Math.floor(count / CHECKPOINT_EVERY);
    this.prepare(from);
    const near = this.last.count < count && this.last.count >= from * CHECKPOINT_EVERY;
    let { count: at, scene } = near ? this.last : { count: from * CHECKPOINT_EVERY, scene: this.checkpoints[from] as Scene };
    for (; at < count; at++) scene = sceneAfter(scene, this.log[at] as Happened);
    this.last = { count, scene };
    return scene;
  }

  /** Compute ahead what jumps start from, one checkpoint more; false when all are there. */
  prepareMore(): boolean {
    const next = this.checkpoints.length;
    if (next * CHECKPOINT_EVERY > this.log.length) return false;
    this.prepare(next);
    return true;
  }

  private prepare(until: number): void {
    for (let n = this.checkpoints.length; n <= until; n++) {
      let scene = this.checkpoints[n - 1] as Scene;
      for (let at = (n - 1) * CHECKPOINT_EVERY; at < n * CHECKPOINT_EVERY; at++) {
        scene = sceneAfter(scene, this.log[at] as Happened);
      }
      this.checkpoints.push(scene);
    }
  }
}
