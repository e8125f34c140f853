import { expect, test } from "vitest";
import {
  begun,
  type CatchUp,
  jumped,
  LIFE_WITHIN_MS,
  LOST_AFTER_MS,
  mark,
  NEWCOMER_WAITS_MS,
  type Recorded,
  type Seen,
  step,
  TRY_LIVE_EVERY_MS,
  WAIT_FOR_RECORDING_MS,
} from "./catchup";
import { CATCH_UP_RATE, listens, orders } from "./catchup-orders";

const WALL = 1_800_000_000_000;
const EVERY = 250;
/** A link that lives gives a sign so often where nothing is sent over it. */
const SIGN_EVERY_MS = 5_000;
const NONE: Recorded = { atMs: null, aheadS: 0, answered: false, trouble: "" };

/** A room in virtual time: the lesson is spoken at the server's wall, the link is up or not, the recording plays as ordered. */
class Room {
  now = 0;
  state: CatchUp;
  up = true;
  /** No live media gets through, while the recording does. */
  dark = false;
  expected = true;
  alive = false;
  called = false;
  delayMs = 1_200;
  concealed = 0;
  /** Seconds by which the recording lags what is spoken. */
  edgeS = 1.8;
  available = true;
  rec: Recorded = NONE;
  heard: [number, number][] = [];
  /** When the lesson ended, on the clock of the room. */
  endedAt: number | null = null;
  lifeAt = 0;
  private liveSinceMs = 0;

  constructor(heardMs: number | null = null) {
    this.state = begun(heardMs, 0);
  }

  get wall(): number {
    return WALL + this.now;
  }

  seen(): Seen {
    return {
      nowMs: this.now,
      wallMs: this.wall,
      expected: this.expected,
      packets: this.up && !this.dark && this.expected && this.endedAt === null ? 12 : 0,
      concealed: this.up ? this.concealed : 1,
      delayMs: this.up && !this.dark ? this.delayMs : null,
      playsMs: null,
      alive: this.alive,
      lifeAtMs: this.lifeAt,
      called: this.called,
      endedAtMs: this.endedAt !== null && this.told ? WALL + this.endedAt : null,
      rung: "full",
      recorded: this.rec,
    };
  }

  run(ms: number): this {
    for (const end = this.now + ms; this.now < end; ) {
      this.now += EVERY;
      if (this.up && (this.now % SIGN_EVERY_MS === 0 || (this.expected && !this.dark))) this.lifeAt = this.now;
      const { opening } = this.state;
      const before = orders(this.state, this.seen());
      this.play(before.from, before.rate);
      // The relay sends nothing while the page asks for nothing; a handover fills a deep buffer.
      if (before.watchLive) this.liveSinceMs += EVERY;
      else this.liveSinceMs = 0;
      // It fills by 130 ms a second from half its target, and drains by 350 ms a second.
      this.delayMs =
        before.targetMs === null ? Math.max(1_200, this.delayMs - EVERY * 0.35) : Math.min(3_000, 1_500 + this.liveSinceMs * 0.13);
      const sent = before.watchLive;
      const seen = { ...this.seen(), packets: sent ? this.seen().packets : 0, delayMs: sent ? this.seen().delayMs : null };
      this.state = step(this.state, seen);
      const after = orders(this.state, seen);
      if (this.state.opening !== opening) this.rec = NONE;
      const hears = !after.quiet && this.up && !this.dark && this.endedAt === null;
      const said = after.rate > 0 ? this.rec.atMs : hears ? this.wall - this.delayMs : null;
      if (said !== null) this.heard.push([this.wall, said]);
    }
    return this;
  }

  /** The page has heard of the end: at once while the link is there. */
  private get told(): boolean {
    if (this.up) this.knows = this.endedAt !== null;
    return this.knows;
  }

  private knows = false;

  private play(from: number | null, rate: number): void {
    if (from === null || !this.available) {
      this.rec = NONE;
      return;
    }
    const over = this.endedAt !== null && this.now > this.endedAt + this.edgeS * 1000;
    const end = over ? WALL + (this.endedAt ?? 0) : this.wall - this.edgeS * 1000;
    if (over && this.up && this.rec.aheadS === 0 && (this.rec.atMs ?? from) >= end - EVERY) {
      this.rec = { ...this.rec, trouble: "over" };
      return;
    }
    if (this.rec.atMs === null) {
      if (this.up && end > from) this.rec = { atMs: from, aheadS: Math.min(6, (end - from) / 1000), answered: true, trouble: "" };
      return;
    }
    const at = Math.min(end, this.rec.atMs + EVERY * (this.up || this.rec.aheadS > 0.5 ? rate : 0));
    this.rec = { ...this.rec, atMs: at, aheadS: Math.min(6, (end - at) / 1000) };
  }

  /** Whether every look of the lesson between two walls was heard once, give or take what a buffer holds. */
  has(fromMs: number, toMs: number): boolean {
    const said = this.heard.map(([, one]) => one).filter((one) => one > fromMs - 600 && one < toMs + 600);
    said.sort((a, b) => a - b);
    const gaps = said.slice(1).map((one, i) => one - (said[i] as number));
    return said.length > 0 && Math.max(...gaps) <= 600 && (said[0] as number) <= fromMs + 600 && (said[said.length - 1] as number) >= toMs - 600;
  }

  /** How often what was said between two walls was heard, 1: once. */
  times(fromMs: number, toMs: number): number {
    return (this.heard.filter(([, one]) => one >= fromMs && one < toMs).length * EVERY) / (toMs - fromMs);
  }

  /** The longest stretch of the lesson that was skipped or said twice, ms. */
  worstStep(): number {
    let worst = 0;
    for (let i = 1; i < this.heard.length; i += 1) {
      const [wall, said] = this.heard[i] as [number, number];
      const [wallBefore, saidBefore] = this.heard[i - 1] as [number, number];
      const moved = said - saidBefore;
      const inOrder = wall - wallBefore <= EVERY ? Math.abs(moved - EVERY) : Math.abs(moved);
      worst = Math.max(worst, inOrder);
    }
    return worst;
  }
}

test("a good line stays live and asks for no recording", () => {
  const room = new Room().run(60_000);
  expect(room.state.phase).toBe("live");
  expect(orders(room.state, room.seen())).toMatchObject({ quiet: false, from: null, rate: 0, watchLive: true, behindS: null });
});

test.each([4_000, 10_000, 40_000, 300_000])("after an outage of %i ms everything is heard, in order, and the room is live again", (outage) => {
  const room = new Room().run(20_000);
  room.up = false;
  room.run(outage);
  expect(room.state.phase).toBe("lost");
  room.up = true;
  room.run(1_000);
  expect(orders(room.state, room.seen()).rate).toBe(CATCH_UP_RATE);
  room.run(outage * 5 + 60_000);
  expect(room.state.phase).toBe("live");
  // What the live buffer still held when the packets stopped is heard as well, so a step of one look is the most.
  expect(room.worstStep()).toBeLessThanOrEqual(400);
});

test("the live picture is wanted again shortly before the room is live, and not while the recording needs the link", () => {
  const room = new Room().run(20_000);
  room.up = false;
  room.run(20_000);
  room.up = true;
  const joining = { soundOnlyMs: 0, bothMs: 0 };
  for (let i = 0; i < 160_000 / EVERY; i += 1) {
    room.run(EVERY);
    if (room.state.phase !== "joining") continue;
    if (orders(room.state, room.seen()).soundOnly) {
      expect(joining.bothMs).toBe(0);
      joining.soundOnlyMs += EVERY;
    } else joining.bothMs += EVERY;
  }
  expect(room.state.phase).toBe("live");
  expect(orders(room.state, room.seen()).soundOnly).toBe(false);
  expect(joining.soundOnlyMs).toBeGreaterThan(1_000);
  expect(joining.bothMs).toBeGreaterThanOrEqual(1_500);
  expect(joining.bothMs).toBeLessThanOrEqual(4_000);
});

test("a cut that is not worth it goes on live", () => {
  const room = new Room().run(10_000);
  room.up = false;
  room.run(2_000);
  room.up = true;
  room.run(500);
  expect(room.state.phase).toBe("live");
});

test("without a recording the room goes on live with the first packets", () => {
  const room = new Room().run(10_000);
  room.available = false;
  room.up = false;
  room.run(20_000);
  room.up = true;
  room.run(WAIT_FOR_RECORDING_MS + 500);
  expect(room.state.phase).toBe("live");
});

test("a recording that says there is none is not waited for", () => {
  const room = new Room(WALL - 20_000);
  room.rec = { ...NONE, trouble: "none" };
  room.state = step(room.state, { ...room.seen(), recorded: room.rec });
  expect(room.state.phase).toBe("live");
});

test("a rebooted computer begins where it last heard something", () => {
  const room = new Room(WALL - 300_000);
  expect(orders(room.state, room.seen())).toMatchObject({ quiet: true, from: WALL - 300_000 });
  room.run(1_000);
  expect(orders(room.state, room.seen()).behindS).toBeGreaterThan(295);
});

test("a newcomer starts live", () => {
  const room = new Room(null);
  room.up = false;
  room.run(8_000);
  expect(orders(room.state, room.seen()).from).toBeNull();
  room.up = true;
  room.run(500);
  expect(room.state.phase).toBe("live");
});

test("a newcomer whom no live sound reaches stays on the recording, and is live once it does", () => {
  const room = new Room(null);
  room.dark = true;
  room.run(60_000);
  expect(room.state.phase).toBe("following");
  const [first] = room.heard;
  expect((first?.[0] ?? Infinity) - WALL).toBeLessThanOrEqual(LOST_AFTER_MS + NEWCOMER_WAITS_MS + 1_000);
  expect(room.worstStep()).toBeLessThanOrEqual(400);
  room.dark = false;
  room.run(TRY_LIVE_EVERY_MS + 30_000);
  expect(room.state.phase).toBe("live");
});

test("a newcomer to a lesson in which nobody speaks yet waits for the voice", () => {
  const room = new Room(null);
  room.dark = true;
  room.expected = false;
  room.run(60_000);
  expect(orders(room.state, room.seen()).from).toBeNull();
});

test("a class that is called on is live as soon as the live sound is there", () => {
  const room = new Room(WALL - 60_000).run(2_000);
  expect(room.state.phase).toBe("catching");
  room.called = true;
  room.run(3 * EVERY);
  expect(room.state.phase).toBe("live");
  expect(orders(room.state, room.seen())).toMatchObject({ quiet: false, watchLive: true, from: null });
});

test("what a call leaves unheard follows when it ends, without the call itself, and a new start in between knows of it", () => {
  const room = new Room().run(20_000);
  room.up = false;
  room.run(60_000);
  room.up = true;
  room.run(4_000);
  room.called = true;
  const calledAt = room.wall;
  room.run(60_000);
  expect(room.state.phase).toBe("live");
  expect(mark(room.state)).toBeLessThan(WALL + 26_000);
  room.called = false;
  const endedAt = room.wall;
  room.run(300_000);
  expect(room.state.phase).toBe("live");
  expect(room.has(WALL + 2_000, room.wall - 5_000)).toBe(true);
  expect(room.times(calledAt + 5_000, endedAt - 5_000)).toBeLessThan(1.1);
});

test("a called class whose link is cut goes on with what it missed, during the call and after it", () => {
  const room = new Room().run(20_000);
  room.called = true;
  room.run(10_000);
  room.up = false;
  room.run(300_000);
  expect(room.state.phase).toBe("lost");
  expect(mark(room.state)).toBeLessThan(WALL + 31_000);
  room.up = true;
  room.run(2_000);
  expect(room.state.phase).toBe("live");
  room.run(20_000);
  room.called = false;
  room.run(1_800_000);
  expect(room.state.phase).toBe("live");
  expect(room.has(WALL + 2_000, room.wall - 5_000)).toBe(true);
});

test("a class that is called on again while it is cut off owes both stretches", () => {
  const room = new Room().run(20_000);
  for (let i = 0; i < 2; i += 1) {
    room.up = false;
    room.run(40_000);
    room.up = true;
    room.called = true;
    room.run(40_000);
  }
  room.up = false;
  room.run(20_000);
  room.called = false;
  room.up = true;
  room.run(800_000);
  expect(room.state.phase).toBe("live");
  expect(room.has(WALL + 2_000, room.wall - 5_000)).toBe(true);
});

test("a called class that no live sound reaches goes on hearing the recording", () => {
  const room = new Room(WALL - 60_000);
  room.dark = true;
  room.called = true;
  room.run(2_000);
  expect(orders(room.state, room.seen())).toMatchObject({ rate: CATCH_UP_RATE, watchLive: true, soundOnly: true });
  const phases = new Set<string>();
  for (let i = 0; i < 320_000 / EVERY; i += 1) phases.add(room.run(EVERY).state.phase);
  expect([...phases].sort()).toEqual(["catching", "following", "joining"]);
  expect(room.worstStep()).toBeLessThanOrEqual(400);
});

test("jumping to live forgets what was missed", () => {
  const room = new Room(WALL - 60_000).run(2_000);
  room.state = jumped(room.state, room.seen());
  room.run(5_000);
  expect(room.state.phase).toBe("live");
});

test("a volunteer who falls silent or is cut off herself sends nobody into the recording", () => {
  const room = new Room().run(10_000);
  room.expected = false;
  const phases = new Set<string>();
  for (let i = 0; i < 60_000 / EVERY; i += 1) phases.add(room.run(EVERY).state.phase);
  expect([...phases]).toEqual(["live"]);
  room.expected = true;
  room.up = false;
  room.alive = true;
  room.run(30_000);
  expect(room.state.phase).toBe("live");
});

test("what is said while the link is cut is heard, also when nobody spoke as it was cut", () => {
  const room = new Room().run(10_000);
  room.expected = false;
  room.run(20_000);
  room.up = false;
  const cutAt = room.wall;
  room.run(LIFE_WITHIN_MS + 30_000);
  expect(room.state.phase).toBe("lost");
  room.up = true;
  room.expected = true;
  room.run(300_000);
  expect(room.state.phase).toBe("live");
  expect(room.has(cutAt, room.wall - 5_000)).toBe(true);
});

test("a recording of silence that does not come is not waited for", () => {
  const room = new Room().run(10_000);
  room.expected = false;
  room.available = false;
  room.up = false;
  room.run(20_000);
  room.up = true;
  room.run(25_000);
  expect(room.state.phase).toBe("live");
});

// The end of the lesson

test("a room that is live when the lesson ends has missed nothing", () => {
  const room = new Room().run(60_000);
  room.endedAt = room.now;
  room.run(2 * EVERY);
  expect(room.state.phase).toBe("live");
  expect(orders(room.state, room.seen()).from).toBeNull();
});

test("a room that is behind when the lesson ends hears it to its end", () => {
  const room = new Room().run(20_000);
  room.up = false;
  room.run(60_000);
  room.up = true;
  room.run(10_000);
  room.endedAt = room.now;
  room.run(5_000);
  expect(room.state.phase).toBe("catching");
  room.run(120_000);
  expect(room.state.phase).toBe("live");
  expect(room.has(WALL + 2_000, WALL + room.endedAt)).toBe(true);
});

test("a room that was cut off when the lesson ended gets the rest when it is back", () => {
  const room = new Room().run(20_000);
  room.up = false;
  room.run(30_000);
  room.endedAt = room.now;
  room.run(600_000);
  room.up = true;
  room.run(60_000);
  expect(room.has(WALL + 2_000, WALL + room.endedAt)).toBe(true);
  expect(mark(room.state)).toBe(WALL + room.endedAt);
});

test("a computer that starts after the lesson hears the rest of it, once", () => {
  const room = new Room(WALL + 10_000);
  room.endedAt = 40_000;
  room.now = 100_000;
  room.run(60_000);
  expect(room.has(WALL + 10_000, WALL + 40_000)).toBe(true);
  expect(room.state.phase).toBe("live");
  const again = new Room(mark(room.state));
  again.endedAt = 40_000;
  again.now = 200_000;
  again.run(2_000);
  expect(again.heard).toEqual([]);
  expect(again.state.phase).toBe("live");
});

test("a lesson that ends during a call is heard from where the call broke in", () => {
  const room = new Room().run(20_000);
  room.up = false;
  room.run(60_000);
  room.up = true;
  room.called = true;
  room.run(10_000);
  room.endedAt = room.now;
  room.run(200_000);
  expect(room.state.phase).toBe("live");
  expect(room.has(WALL + 2_000, WALL + room.endedAt)).toBe(true);
});

test("a page that was replaced or refused hears nothing, however live its view still is", () => {
  const place = { left: false, refused: false, lesson: "live", heard: true } as const;
  expect(listens(place)).toBe(true);
  expect(listens({ ...place, refused: true })).toBe(false);
  expect(listens({ ...place, left: true })).toBe(false);
  expect(listens({ ...place, lesson: "ended" })).toBe(true);
  expect(listens({ ...place, lesson: "waiting" })).toBe(false);
  expect(listens({ ...place, lesson: null })).toBe(true);
  expect(listens({ ...place, lesson: null, heard: false })).toBe(false);
});

test("a line that loses the sound again and again stays on the recording, and tries live every minute", () => {
  const room = new Room().run(5_000);
  for (let i = 0; i < 4; i += 1) {
    room.up = false;
    room.run(1_750);
    room.up = true;
    room.run(2_000);
  }
  room.up = false;
  room.run(4_000);
  room.up = true;
  room.run(30_000);
  expect(room.state.phase).toBe("following");
  expect(orders(room.state, room.seen()).watchLive).toBe(false);
  const phases = new Set<string>();
  for (let i = 0; i < (TRY_LIVE_EVERY_MS + 30_000) / EVERY; i += 1) phases.add(room.run(EVERY).state.phase);
  expect(phases.has("joining")).toBe(true);
  expect(room.state.phase).toBe("live");
});
