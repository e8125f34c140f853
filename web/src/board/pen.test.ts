/** Laws of the drawing hand, in virtual time: what each pointer does, and how few messages it makes. */

import { describe, expect, test } from "vitest";
import { Hand, MESSAGE_EVERY_MS, MOST_POINTS, type Contact, type HandMessage, type Tool } from "./pen";
import { afterEvent, inksOf, noPages, withPage } from "./state";
import type { Ink } from "./strokes";

interface Sent {
  readonly at: number;
  readonly message: HandMessage;
}

/** A hand with a clock, and what came of it. */
class Bench {
  now = 1_000;
  readonly sent: Sent[] = [];
  readonly own = new Map<string, Ink>();
  readonly erased: string[] = [];
  readonly wrote: [number, number][] = [];
  laser: { x: number; y: number } | null = null;
  strokes: Record<string, number> = {};
  private count = 0;
  readonly hand = new Hand({
    newId: () => `stroke-${this.count++}`,
    under: (x, _, reach) => Object.keys(this.strokes).filter((id) => this.erased.indexOf(id) < 0 && Math.abs((this.strokes[id] ?? 0) - x) <= reach),
    onInk: (_, ink) => this.own.set(ink.id, ink),
    onErase: (_, ids) => void this.erased.push(...ids),
    onLaser: (at) => (this.laser = at),
    onWrite: (x, y) => void this.wrote.push([x, y]),
  });

  constructor(tool: Tool, width = 40) {
    this.hand.hold({ tool, color: "#0072b2", width });
    this.hand.turnTo("b.1", 5_625);
  }

  contact(x: number, y: number, more: Partial<Contact> = {}): Contact {
    return { pointer: 1, kind: "mouse", x, y, pressure: 50, breadth: 0, ...more };
  }

  down(x: number, y: number, more: Partial<Contact> = {}): void {
    this.hand.down(this.contact(x, y, more), this.now);
    this.take();
  }

  move(x: number, y: number, more: Partial<Contact> = {}): void {
    this.hand.move([this.contact(x, y, more)], this.now);
    this.take();
  }

  up(x: number, y: number, more: Partial<Contact> = {}): void {
    this.hand.up(this.contact(x, y, more));
    this.take();
  }

  take(): void {
    for (const message of this.hand.take(this.now)) this.sent.push({ at: this.now, message });
  }

  /** Let time pass as the shell does, which wakes when something is due. */
  wait(ms: number): void {
    const end = this.now + ms;
    for (let due = this.hand.dueInMs(this.now); due !== null && this.now + due <= end; due = this.hand.dueInMs(this.now)) {
      this.now += due;
      this.take();
    }
    this.now = end;
  }

  get messages(): HandMessage[] {
    return this.sent.map((one) => one.message);
  }

  /** The strokes that the messages make in another page. */
  arrived(): readonly Ink[] {
    let pages = withPage(noPages(false), "b.1", []);
    for (const message of this.messages) {
      if (message.type === "draw") pages = afterEvent(pages, { ...message, type: "stroke_begun" }, "");
      if (message.type === "draw_more") pages = afterEvent(pages, { ...message, type: "stroke_grew", page: "b.1" }, "");
    }
    return inksOf(pages, "b.1");
  }
}

test("a shape that is drawn while the socket comes back keeps both corners", () => {
  const bench = new Bench("rectangle");
  bench.down(1_000, 1_000);
  bench.move(2_000, 2_000);
  bench.wait(100);
  bench.hand.restart();
  bench.up(2_500, 2_500);
  bench.wait(1_000);
  const again = bench.arrived().find((one) => one.id === "stroke-1");
  expect([again?.at.slice(0, 2), again?.at.slice(3, 5), again?.done]).toEqual([[1_000, 1_000], [2_500, 2_500], true]);
});

describe("a pen", () => {
  test("says at once where a stroke begins, and 20 times a second at most how it goes on", () => {
    const bench = new Bench("pen");
    bench.down(1_000, 1_000);
    expect(bench.messages).toEqual([
      { type: "draw", id: "stroke-0", page: "b.1", tool: "pen", color: "#0072b2", width: 40, points: [1_000, 1_000, 50] },
    ]);
    for (let n = 1; n <= 200; n++) {
      bench.move(1_000 + n * 20, 1_000 + (n % 7) * 30);
      bench.wait(4);
    }
    bench.up(5_000, 1_000);
    bench.wait(200);
    const gaps = bench.sent.slice(1).map(({ at }, n) => at - (bench.sent[n]?.at ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(MESSAGE_EVERY_MS);
    expect(bench.sent.length).toBeLessThanOrEqual(18);
    expect(bench.hand.dueInMs(bench.now)).toBeNull();
  });

  test("draws elsewhere exactly what it draws here", () => {
    const bench = new Bench("pen");
    for (let stroke = 0; stroke < 5; stroke++) {
      bench.down(500 + stroke * 300, 700, { kind: "pen", pressure: 30 });
      for (let n = 1; n < 20; n++) {
        bench.move(500 + stroke * 300 + n * 37, 700 + n * n, { kind: "pen", pressure: 30 + n });
        bench.wait(stroke * 3 + 1);
      }
      bench.up(1_500, 900, { kind: "pen" });
    }
    bench.wait(1_000);
    expect(bench.arrived()).toEqual([...bench.own.values()]);
    expect(bench.arrived().every((one) => one.done)).toBe(true);
  });

  test("goes on as another stroke where the socket came back, so that nothing is shifted by points that were lost", () => {
    const bench = new Bench("pen");
    bench.down(1_000, 1_000);
    bench.move(2_000, 1_000);
    bench.wait(100);
    const before = bench.messages.length;
    bench.hand.move([bench.contact(3_000, 1_000)], bench.now);
    bench.hand.restart();
    bench.move(4_000, 1_000);
    bench.up(4_000, 1_000);
    bench.wait(1_000);
    const [first, ...more] = bench.messages.slice(before);
    expect(first).toMatchObject({ type: "draw", id: "stroke-1", points: [3_000, 1_000, 50, 1_000, 0, 0] });
    expect(more).toEqual([{ type: "draw_more", id: "stroke-1", points: [], done: true }]);
  });

  test("says a stroke that nobody has heard of yet as it was meant, also to the next socket", () => {
    const bench = new Bench("pen");
    bench.down(500, 500);
    bench.up(500, 500);
    bench.hand.down(bench.contact(1_000, 1_000), bench.now);
    bench.hand.move([bench.contact(2_000, 1_000)], bench.now);
    bench.hand.restart();
    bench.up(2_000, 1_000);
    bench.wait(1_000);
    expect(bench.messages[bench.messages.length - 2]).toMatchObject({ type: "draw", id: "stroke-1", points: [1_000, 1_000, 50, 1_000, 0, 0] });
  });

  test("says nothing of a tremble, but ends where it was lifted", () => {
    const bench = new Bench("pen");
    bench.down(1_000, 1_000);
    bench.move(1_004, 1_003);
    bench.up(1_005, 1_005);
    bench.wait(100);
    expect(bench.messages.slice(1)).toEqual([{ type: "draw_more", id: "stroke-0", points: [5, 5, 0], done: true }]);
  });

  test("stays on the page", () => {
    const bench = new Bench("pen");
    bench.down(-50, 200);
    bench.up(20_000, 9_000);
    bench.wait(100);
    expect(bench.arrived()[0]?.at).toEqual([0, 200, 50, 10_000, 5_625, 50]);
  });

  test("that draws without end begins another stroke where it is", () => {
    const bench = new Bench("pen");
    bench.down(0, 0);
    for (let n = 1; n <= MOST_POINTS + 10; n++) {
      bench.move((n * 20) % 10_000, n % 2 ? 500 : 520);
      bench.wait(8);
    }
    bench.up(0, 0);
    bench.wait(500);
    const [first, second] = bench.arrived();
    expect(first?.at.length).toBe(MOST_POINTS * 3);
    expect(second?.at.slice(0, 2)).toEqual(first?.at.slice(-3, -1));
  });

  test("that was held up, as by a browser that slept, sends in messages that the server takes", () => {
    const bench = new Bench("pen");
    bench.hand.down(bench.contact(0, 0), bench.now);
    for (let n = 1; n <= 600; n++) bench.hand.move([bench.contact((n * 20) % 10_000, n % 2 ? 500 : 520)], bench.now);
    bench.hand.up(bench.contact(0, 500));
    bench.wait(500);
    for (const message of bench.messages) expect("points" in message ? message.points.length : 0).toBeLessThanOrEqual(768);
    expect(bench.arrived()).toEqual([...bench.own.values()]);
  });

  test("whose page is turned ends there", () => {
    const bench = new Bench("pen");
    bench.down(1_000, 1_000);
    bench.hand.turnTo("b.2", 5_625);
    bench.move(2_000, 2_000);
    bench.up(2_000, 2_000);
    bench.wait(200);
    expect(bench.messages.map((one) => one.type)).toEqual(["draw", "draw_more"]);
    expect(bench.arrived()[0]).toMatchObject({ at: [1_000, 1_000, 50], done: true });
  });

  test("draws nothing while no page is in sight", () => {
    const bench = new Bench("pen");
    bench.hand.turnTo("", 0);
    bench.down(1_000, 1_000);
    bench.up(2_000, 2_000);
    bench.wait(200);
    expect(bench.messages).toEqual([]);
  });
});

describe("hands on the board", () => {
  test("one draws at a time: a second finger does nothing", () => {
    const bench = new Bench("pen");
    bench.down(1_000, 1_000, { kind: "touch" });
    bench.down(5_000, 5_000, { kind: "touch", pointer: 2 });
    bench.move(6_000, 5_000, { kind: "touch", pointer: 2 });
    bench.up(6_000, 5_000, { kind: "touch", pointer: 2 });
    bench.up(1_500, 1_000, { kind: "touch" });
    bench.wait(200);
    expect(bench.arrived().map((one) => one.at)).toEqual([[1_000, 1_000, 50, 1_500, 1_000, 50]]);
  });

  test("a palm beside the stylus, or as broad as one, draws nothing", () => {
    const bench = new Bench("pen");
    bench.down(1_000, 1_000, { kind: "pen" });
    bench.up(1_500, 1_000, { kind: "pen" });
    bench.wait(300);
    bench.down(4_000, 4_000, { kind: "touch", pointer: 2 });
    bench.wait(5_000);
    bench.down(4_000, 4_000, { kind: "touch", pointer: 3, breadth: 90 });
    expect(bench.arrived().length).toBe(1);
    bench.down(4_000, 4_000, { kind: "touch", pointer: 4, breadth: 20 });
    expect(bench.arrived().length).toBe(2);
  });

  test("what a palm drew before its stylus came down is taken back", () => {
    const bench = new Bench("pen");
    bench.down(4_000, 4_000, { kind: "touch", pointer: 2 });
    bench.down(1_000, 1_000, { kind: "pen", pointer: 1 });
    bench.up(1_500, 1_000, { kind: "pen", pointer: 1 });
    bench.wait(500);
    expect(bench.erased).toEqual(["stroke-0"]);
    expect(bench.messages).toContainEqual({ type: "erase", page: "b.1", ids: ["stroke-0"] });
    expect(bench.arrived()[1]).toMatchObject({ id: "stroke-1", done: true });
  });
});

describe("a shape", () => {
  test("has its first corner where it began and its end under the hand, as few messages as may be", () => {
    const bench = new Bench("rectangle");
    bench.down(1_000, 1_000);
    for (let n = 1; n <= 50; n++) {
      bench.move(1_000 + n * 40, 1_000 + n * 30);
      bench.wait(4);
    }
    bench.up(3_000, 2_500);
    bench.wait(200);
    expect(bench.sent.length).toBeLessThanOrEqual(7);
    expect(bench.arrived()).toEqual([...bench.own.values()]);
    expect(bench.arrived()[0]).toMatchObject({ at: [1_000, 1_000, 50, 3_000, 2_500, 50], done: true });
  });

  test("without size is none", () => {
    const bench = new Bench("ellipse");
    bench.down(1_000, 1_000);
    bench.up(1_000, 1_000);
    bench.wait(200);
    expect(bench.messages).toEqual([]);
  });
});

describe("an eraser", () => {
  test("takes all that lies on its way, each once, in few messages", () => {
    const bench = new Bench("eraser", 200);
    for (let n = 0; n < 30; n++) bench.strokes[`s${n}`] = 1_000 + n * 100;
    bench.down(900, 1_000);
    bench.move(2_600, 1_000);
    bench.move(4_200, 1_000);
    bench.up(4_200, 1_000);
    bench.wait(300);
    expect(bench.erased.slice().sort()).toEqual(Object.keys(bench.strokes).sort());
    const told = bench.messages.flatMap((one) => (one.type === "erase" ? one.ids : []));
    expect(told).toEqual(bench.erased);
    expect(bench.messages.length).toBeLessThanOrEqual(3);
  });
});

describe("the laser", () => {
  test("follows a mouse that hovers, 15 times a second at most, and goes off when it leaves", () => {
    const bench = new Bench("laser");
    for (let n = 0; n < 100; n++) {
      bench.move(1_000 + n * 10, 1_000);
      bench.wait(10);
    }
    expect(bench.sent.length).toBeGreaterThan(13);
    expect(bench.sent.length).toBeLessThanOrEqual(16);
    bench.hand.leave();
    bench.take();
    expect(bench.messages[bench.messages.length - 1]).toEqual({ type: "point", off: true });
    expect(bench.laser).toBeNull();
    expect(bench.hand.dueInMs(bench.now)).toBeNull();
  });

  test("is off when a finger is lifted, and when another tool is taken", () => {
    for (const end of [(bench: Bench) => bench.up(1, 1, { kind: "touch" }), (bench: Bench) => bench.hand.hold({ tool: "pen", color: "#000000", width: 9 })]) {
      const bench = new Bench("laser");
      bench.down(1_000, 1_000, { kind: "touch" });
      expect(bench.messages).toEqual([{ type: "point", x: 1_000, y: 1_000 }]);
      end(bench);
      bench.wait(100);
      expect(bench.messages.slice(1)).toEqual([{ type: "point", off: true }]);
    }
  });
});

describe("a text", () => {
  test("is asked for where the page was pressed, and sent whole", () => {
    const bench = new Bench("text", 450);
    bench.down(1_000, 2_000);
    bench.up(1_000, 2_000);
    expect(bench.wrote).toEqual([[1_000, 2_000]]);
    expect(bench.messages).toEqual([]);
    bench.hand.write(1_000, 2_000, "春天来了\n", { tool: "text", color: "#0072b2", width: 450 });
    bench.wait(100);
    expect(bench.messages).toEqual([
      { type: "draw", id: "stroke-0", page: "b.1", tool: "text", color: "#0072b2", width: 450, points: [1_000, 2_000, 50], text: "春天来了" },
    ]);
    expect(bench.arrived()).toEqual([...bench.own.values()]);
  });

  test("of nothing is not sent, and of too much is cut", () => {
    const bench = new Bench("text", 450);
    const held = { tool: "text", color: "#0072b2", width: 450 } as const;
    bench.hand.write(0, 0, "  \n", held);
    expect(bench.hand.dueInMs(bench.now)).toBeNull();
    bench.hand.write(0, 0, "字".repeat(600), held);
    bench.wait(100);
    expect(bench.messages[0]).toMatchObject({ text: "字".repeat(500) });
  });
});
