import { expect, test } from "vitest";
import { begun, CATCH_UP_RATE, type CatchUp, jumped, LOST_AFTER_MS, NEWCOMER_WAITS_MS, orders, type Recorded, type Seen, step, TRY_LIVE_EVERY_MS, WAIT_FOR_RECORDING_MS } from "./catchup";

const WALL = 1_800_000_000_000;
const EVERY = 250;
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
      packets: this.up && !this.dark && this.expected ? 12 : 0,
      concealed: this.up ? this.concealed : 1,
      delayMs: this.up && !this.dark ? this.delayMs : null,
      playsMs: null,
      alive: this.alive,
      called: this.called,
      rung: "full",
      recorded: this.rec,
    };
  }

  run(ms: number): this {
    for (const end = this.now + ms; this.now < end; ) {
      this.now += EVERY;
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
      const said = after.rate > 0 ? this.rec.atMs : after.quiet || !this.up || this.dark ? null : this.wall - this.delayMs;
      if (said !== null) this.heard.push([this.wall, said]);
    }
    return this;
  }

  private play(from: number | null, rate: number): void {
    if (from === null || !this.available) {
      this.rec = NONE;
      return;
    }
    const end = this.wall - this.edgeS * 1000;
    if (this.rec.atMs === null) {
      if (this.up && end > from) this.rec = { atMs: from, aheadS: Math.min(6, (end - from) / 1000), answered: true, trouble: "" };
      return;
    }
    const at = Math.min(end, this.rec.atMs + EVERY * (this.up || this.rec.aheadS > 0.5 ? rate : 0));
    this.rec = { ...this.rec, atMs: at, aheadS: Math.min(6, (end - at) / 1000) };
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

test("a class that is called on is live at once", () => {
  const room = new Room(WALL - 60_000).run(2_000);
  expect(room.state.phase).toBe("catching");
  room.called = true;
  room.run(EVERY);
  expect(room.state.phase).toBe("live");
  expect(orders(room.state, room.seen())).toMatchObject({ quiet: false, watchLive: true, from: null });
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
  room.run(30_000);
  expect(room.state.phase).toBe("live");
  room.expected = true;
  room.up = false;
  room.alive = true;
  room.run(30_000);
  expect(room.state.phase).toBe("live");
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
