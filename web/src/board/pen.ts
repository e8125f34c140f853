/** The drawing hand: what a pointer does becomes strokes, marks of the eraser and the laser's path, and these become messages,
 * few and small. Pure: contacts and the time go in, messages and the own stroke come out. Knows no DOM and no socket; `hold.ts`
 * brings it the pointer's events. */

import { flatten, isShape, lastPoint, MOST_TEXT, PAGE_WIDTH, PRESSURE_UNKNOWN, type Ink, type StrokeTool } from "./strokes";

export type Tool = StrokeTool | "eraser" | "laser";

/** What the hand holds. `width` is the stroke's, the letters' or the eraser's, in 1/10000 of the page's width. */
export interface Held {
  readonly tool: Tool;
  readonly color: string;
  readonly width: number;
}

export type HandMessage =
  | {
      readonly type: "draw";
      readonly id: string;
      readonly page: string;
      readonly tool: StrokeTool;
      readonly color: string;
      readonly width: number;
      readonly points: readonly number[];
      readonly text?: string;
    }
  | { readonly type: "draw_more"; readonly id: string; readonly points: readonly number[]; readonly done: boolean }
  | { readonly type: "erase"; readonly page: string; readonly ids: readonly string[] }
  | { readonly type: "point"; readonly x: number; readonly y: number }
  | { readonly type: "point"; readonly off: true };

/** A pointer on the page: whose it is, where (1/10000 of the page's width), how hard (0..100). */
export interface Contact {
  readonly pointer: number;
  readonly kind: "mouse" | "touch" | "pen";
  readonly x: number;
  readonly y: number;
  readonly pressure: number;
  /** Of what touches, in CSS pixels; 0 when not known. */
  readonly breadth: number;
}

/** At most 20 messages a second. */
export const MESSAGE_EVERY_MS = 50;
/** At most 15 places of the laser a second. */
export const POINT_EVERY_MS = 67;
/** Points nearer to the last than 1/800 of the page's width say nothing new. */
export const LEAST_STEP = 12;
/** A longer stroke goes on as another: no message, no stroke and no repaint may grow without bound. */
export const MOST_POINTS = 1_000;
export const MOST_ERASED = 100;
/** Numbers in one message, as the server bounds them. */
const MOST_FLAT = 768;
/** While a stylus is at work, the hand that holds it rests on the board. */
export const PALM_AFTER_PEN_MS = 1_000;
const PALM_BREADTH = 70;

export interface HandAround {
  /** A new id of 12 letters or so. */
  readonly newId: () => string;
  /** Strokes under an eraser of that radius. */
  readonly under: (x: number, y: number, reach: number) => readonly string[];
  /** An own stroke as it is now, finished or not. */
  readonly onInk: (page: string, ink: Ink) => void;
  readonly onErase: (page: string, ids: readonly string[]) => void;
  /** Where the own laser points; null when it is off. */
  readonly onLaser: (at: { readonly x: number; readonly y: number } | null) => void;
  /** Someone wants to write at this place. */
  readonly onWrite: (x: number, y: number) => void;
}

interface Doing {
  readonly pointer: number;
  readonly kind: Contact["kind"];
  readonly held: Held;
  ink: Ink | null;
  x: number;
  y: number;
}

/** Mutable twins of the messages, while they wait and still take points in. */
type Waiting =
  | { readonly kind: "draw"; readonly page: string; ink: Ink; points: number[] }
  | { readonly kind: "more"; readonly id: string; points: number[]; done: boolean; readonly shape: boolean }
  | { readonly kind: "erase"; readonly page: string; ids: string[] };

export class Hand {
  private held: Held = { tool: "pen", color: "#1e2a2f", width: 30 };
  private page = "";
  private height = 0;
  private doing: Doing | null = null;
  private waiting: Waiting[] = [];
  private lastSentMs = -Infinity;
  private lastPenMs = -Infinity;
  private laser: { x: number; y: number } | null = null;
  private laserSaid: { x: number; y: number } | null = null;
  private lastPointMs = -Infinity;

  constructor(private readonly around: HandAround) {}

  /** Take another tool; one that is at work keeps its own until it is lifted. */
  hold(held: Held): void {
    if (held.tool !== "laser") {
      if (this.doing?.held.tool === "laser") this.doing = null;
      this.lift();
    }
    this.held = held;
  }

  /** Draw on `page` from now on, which is `height` high; on none while it is "". What is being drawn ends. */
  turnTo(page: string, height: number): void {
    if (page !== this.page) this.stop();
    this.page = page;
    this.height = height;
  }

  down(contact: Contact, nowMs: number): void {
    if (contact.kind === "pen") this.lastPenMs = nowMs;
    if (this.page === "" || this.isPalm(contact, nowMs)) return;
    if (this.doing !== null) {
      if (!(contact.kind === "pen" && this.doing.kind === "touch")) return;
      this.takeBack();
    }
    const [x, y] = this.within(contact);
    const { pointer, kind } = contact;
    this.doing = { pointer, kind, held: this.held, ink: null, x, y };
    const { tool } = this.held;
    if (tool === "laser") this.aim(x, y);
    else if (tool === "eraser") this.rub(x, y, this.doing);
    // A shape begins when it has a size: a mere click would leave a stroke that nobody sees.
    else if (tool !== "text" && !isShape(tool)) this.begin(this.doing, tool, x, y, contact.pressure);
  }

  /** `contacts` are the places since the last call, in order. A mouse moves the laser without a button pressed. */
  move(contacts: readonly Contact[], nowMs: number): void {
    for (const contact of contacts) {
      if (contact.kind === "pen") this.lastPenMs = nowMs;
      const doing = this.doing;
      if (doing === null) {
        if (this.held.tool === "laser" && contact.kind === "mouse") this.aim(...this.within(contact));
        continue;
      }
      if (contact.pointer !== doing.pointer) continue;
      const [x, y] = this.within(contact);
      if (doing.held.tool === "laser") this.aim(x, y);
      else if (doing.held.tool === "eraser") this.rub(x, y, doing);
      else this.drag(doing, x, y, contact.pressure);
    }
  }

  up(contact: Contact): void {
    const doing = this.doing;
    if (doing === null || doing.pointer !== contact.pointer) return;
    const [x, y] = this.within(contact);
    if (doing.ink !== null) this.draw(doing, doing.ink, x, y, lastPoint(doing.ink.at)[2] ?? PRESSURE_UNKNOWN, true);
    this.finish();
    if (doing.held.tool === "text") this.around.onWrite(x, y);
    if (doing.held.tool === "laser" && contact.kind !== "mouse") this.lift();
  }

  /** The browser took the pointer away (a gesture, another window): what is drawn stays as it is. */
  cancel(pointer: number): void {
    if (this.doing?.pointer === pointer) this.stop();
  }

  /** The pointer left the page; one that draws is still held. */
  leave(): void {
    if (this.doing === null) this.lift();
  }

  /** End what is being done, as on another page or when the tool is laid down. */
  stop(): void {
    this.finish();
    this.lift();
  }

  /** The server told its whole state anew: what waits belongs to strokes that it has ended or never heard of, and differences
   * to points that were lost would shift what follows. What is being drawn goes on as a stroke of its own. */
  restart(): void {
    const unsaid = this.waiting.map((one) => (one.kind === "draw" ? one.ink.id : ""));
    this.waiting = this.waiting.filter((one) => one.kind !== "more" || unsaid.indexOf(one.id) >= 0);
    if (this.laser !== null) this.laserSaid = null;
    const doing = this.doing;
    const ink = doing?.ink ?? null;
    if (doing === null || ink === null || unsaid.indexOf(ink.id) >= 0) return;
    const [x = doing.x, y = doing.y, pressure = PRESSURE_UNKNOWN] = isShape(ink.tool) ? ink.at : lastPoint(ink.at);
    this.begin(doing, ink.tool, x, y, pressure);
    const [cornerX, cornerY] = isShape(ink.tool) ? lastPoint(ink.at) : [];
    if (doing.ink !== null && cornerX !== undefined && cornerY !== undefined) this.draw(doing, doing.ink, cornerX, cornerY, pressure, false);
  }

  /** Write `text` at (x, y) in the letters that the hand held when it began. */
  write(x: number, y: number, text: string, { color, width }: Held): void {
    const written = text.slice(0, MOST_TEXT).replace(/\s+$/, "");
    if (written === "") return;
    const ink: Ink = {
      id: this.around.newId(), by: "", tool: "text", color, width, at: [x, y, PRESSURE_UNKNOWN], text: written, done: true, gone: false,
    };
    this.around.onInk(this.page, ink);
    this.waiting.push({ kind: "draw", page: this.page, ink, points: ink.at.slice() });
  }

  /** Milliseconds until `take` may have a message; null when nothing waits. */
  dueInMs(nowMs: number): number | null {
    const strokes = this.waiting.length > 0 ? this.lastSentMs + MESSAGE_EVERY_MS : Infinity;
    const point = this.laser !== this.laserSaid ? this.pointDueMs() : Infinity;
    const due = Math.min(strokes, point);
    return due === Infinity ? null : Math.max(0, due - nowMs);
  }

  /** The messages to be sent now: at most one of strokes and one of the laser. */
  take(nowMs: number): HandMessage[] {
    const messages: HandMessage[] = [];
    if (nowMs >= this.lastSentMs + MESSAGE_EVERY_MS) {
      const next = this.waiting.shift();
      if (next !== undefined) {
        this.lastSentMs = nowMs;
        messages.push(asMessage(next));
      }
    }
    if (this.laser !== this.laserSaid && nowMs >= this.pointDueMs()) {
      this.lastPointMs = nowMs;
      this.laserSaid = this.laser;
      messages.push(this.laser === null ? { type: "point", off: true } : { type: "point", x: this.laser.x, y: this.laser.y });
    }
    return messages;
  }

  /** Off is said at once: a dot that stays behind misleads. */
  private pointDueMs(): number {
    return this.laser === null ? -Infinity : this.lastPointMs + POINT_EVERY_MS;
  }

  private isPalm(contact: Contact, nowMs: number): boolean {
    return contact.kind === "touch" && (contact.breadth > PALM_BREADTH || nowMs - this.lastPenMs < PALM_AFTER_PEN_MS);
  }

  private within({ x, y }: Contact): [number, number] {
    const clamp = (value: number, most: number): number => Math.round(Math.max(0, Math.min(most, value)));
    return [clamp(x, PAGE_WIDTH), clamp(y, this.height)];
  }

  private begin(doing: Doing, tool: StrokeTool, x: number, y: number, pressure: number): void {
    const { color, width } = doing.held;
    const ink: Ink = {
      id: this.around.newId(), by: "", tool, color, width, at: [x, y, Math.round(pressure)], text: "", done: false, gone: false,
    };
    doing.ink = ink;
    this.waiting.push({ kind: "draw", page: this.page, ink, points: ink.at.slice() });
    this.around.onInk(this.page, ink);
  }

  private drag(doing: Doing, x: number, y: number, pressure: number): void {
    const { tool } = doing.held;
    const sized = Math.hypot(x - doing.x, y - doing.y) >= LEAST_STEP;
    if (doing.ink === null && sized && isStroke(tool) && isShape(tool)) this.begin(doing, tool, doing.x, doing.y, pressure);
    if (doing.ink !== null) this.draw(doing, doing.ink, x, y, pressure, false);
  }

  private draw(doing: Doing, ink: Ink, x: number, y: number, pressure: number, last: boolean): void {
    const before = lastPoint(ink.at);
    const [bx = 0, by = 0] = before;
    const step = Math.hypot(x - bx, y - by);
    if (step === 0 || (step < LEAST_STEP && !last)) return;
    if (isShape(ink.tool)) {
      doing.ink = { ...ink, at: ink.at.slice(0, 3).concat([x, y, PRESSURE_UNKNOWN]) };
      this.more(ink, [x, y]);
    } else {
      const point = [x, y, Math.round(pressure)];
      doing.ink = { ...ink, at: ink.at.concat(point) };
      this.more(ink, flatten(point, before));
    }
    this.around.onInk(this.page, doing.ink);
    if (doing.ink.at.length >= MOST_POINTS * 3) {
      this.end(doing);
      this.begin(doing, ink.tool, x, y, pressure);
    }
  }

  /** Add to the message that still waits, else let another wait. */
  private more(ink: Ink, points: readonly number[]): void {
    const last = this.waiting[this.waiting.length - 1];
    const shape = isShape(ink.tool);
    const fits = last !== undefined && last.kind !== "erase" && last.points.length + points.length <= MOST_FLAT;
    if (fits && last.kind === "more" && last.id === ink.id) last.points = shape ? points.slice() : last.points.concat(points);
    else if (fits && last.kind === "draw" && last.ink.id === ink.id && !shape) last.points = last.points.concat(points);
    else this.waiting.push({ kind: "more", id: ink.id, points: points.slice(), done: false, shape });
  }

  /** Everything under the way from the last place to (x, y). */
  private rub(x: number, y: number, doing: Doing): void {
    const reach = doing.held.width / 2;
    const steps = Math.max(1, Math.ceil(Math.hypot(x - doing.x, y - doing.y) / Math.max(1, reach)));
    const found: string[] = [];
    for (let n = 1; n <= steps; n++) {
      const [sx, sy] = [doing.x + ((x - doing.x) * n) / steps, doing.y + ((y - doing.y) * n) / steps];
      found.push(...this.around.under(sx, sy, reach).filter((id) => found.indexOf(id) < 0));
    }
    [doing.x, doing.y] = [x, y];
    if (found.length > 0) this.erase(found);
  }

  private erase(ids: readonly string[]): void {
    this.around.onErase(this.page, ids);
    for (const id of ids) {
      const last = this.waiting[this.waiting.length - 1];
      if (last?.kind === "erase" && last.page === this.page && last.ids.length < MOST_ERASED) last.ids.push(id);
      else this.waiting.push({ kind: "erase", page: this.page, ids: [id] });
    }
  }

  private aim(x: number, y: number): void {
    if (this.laser !== null && this.laser.x === x && this.laser.y === y) return;
    this.laser = { x, y };
    this.around.onLaser(this.laser);
  }

  private lift(): void {
    if (this.laser === null) return;
    this.laser = null;
    this.around.onLaser(null);
  }

  private finish(): void {
    const doing = this.doing;
    this.doing = null;
    if (doing !== null) this.end(doing);
  }

  private end(doing: Doing): void {
    const { ink } = doing;
    if (ink === null) return;
    doing.ink = null;
    const last = this.waiting[this.waiting.length - 1];
    if (last?.kind === "more" && last.id === ink.id) last.done = true;
    else this.waiting.push({ kind: "more", id: ink.id, points: [], done: true, shape: isShape(ink.tool) });
    this.around.onInk(this.page, { ...ink, done: true });
  }

  /** A palm came down before its stylus and drew: nobody meant that. */
  private takeBack(): void {
    const id = this.doing?.ink?.id;
    this.finish();
    if (id !== undefined) this.erase([id]);
  }
}

function isStroke(tool: Tool): tool is StrokeTool {
  return tool !== "eraser" && tool !== "laser";
}

function asMessage(waiting: Waiting): HandMessage {
  if (waiting.kind === "erase") return { type: "erase", page: waiting.page, ids: waiting.ids };
  if (waiting.kind === "more") return { type: "draw_more", id: waiting.id, points: waiting.points, done: waiting.done };
  const { id, tool, color, width, text } = waiting.ink;
  const message = { type: "draw", id, page: waiting.page, tool, color, width, points: waiting.points } as const;
  return text === "" ? message : { ...message, text };
}
