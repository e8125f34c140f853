import { expect, test } from "vitest";
import { DEAD_AFTER_MS, type Effect, IDLE, type Input, type LinkState, MOVED_SPREAD_MS, OPEN_WITHIN_MS, PING_EVERY_MS, PROVE_MS, REFUSED_RETRY_MS, SLOW_OPENING_MS, step } from "./link-state";

/** A socket in virtual time: feeds inputs, follows the wanted ticks, remembers what was asked for and when. */
class Rig {
  state: LinkState = IDLE;
  now = 0;
  readonly log: [number, Effect][] = [];

  feed(input: Input): void {
    const { state, effects } = step(this.state, input, this.now, 1);
    this.state = state;
    for (const effect of effects) this.log.push([this.now, effect]);
  }

  /** Let time pass, ticking whenever the state asked for it. */
  pass(ms: number, onTick: () => void = () => undefined): void {
    const end = this.now + ms;
    for (let turns = 0; turns < 10_000; turns += 1) {
      const wake = this.state.wakeAtMs;
      if (wake === null || wake > end) break;
      this.now = Math.max(this.now, wake);
      this.feed({ kind: "tick" });
      onTick();
    }
    this.now = end;
  }

  ready(): void {
    this.feed({ kind: "start" });
    this.feed({ kind: "opened" });
    this.feed({ kind: "welcomed" });
  }

  times(effect: Effect): number[] {
    return this.log.filter(([, done]) => done === effect).map(([at]) => at);
  }
}

test("a page says hello when the socket opens and is ready when it is welcomed", () => {
  const rig = new Rig();
  rig.ready();
  expect(rig.log).toEqual([
    [0, "open"],
    [0, "hello"],
  ]);
  expect(rig.state.phase).toBe("ready");
  expect(rig.state.lostSinceMs).toBeNull();
});

test("a ping goes out every five seconds while answers come", () => {
  const rig = new Rig();
  rig.ready();
  rig.pass(20_000, () => rig.feed({ kind: "heard" }));
  expect(rig.times("ping")).toEqual([1, 2, 3, 4].map((n) => n * PING_EVERY_MS));
  expect(rig.state.phase).toBe("ready");
});

test("twelve seconds of silence are a dead socket", () => {
  const rig = new Rig();
  rig.ready();
  rig.pass(DEAD_AFTER_MS - 1);
  expect(rig.state.phase).toBe("ready");
  rig.pass(1);
  expect(rig.state.phase).toBe("waiting");
  expect(rig.times("close")).toEqual([DEAD_AFTER_MS]);
});

test("it tries for ever, at most fifteen seconds apart", () => {
  const rig = new Rig();
  rig.ready();
  rig.feed({ kind: "closed" });
  rig.pass(600_000, () => {
    if (rig.state.phase === "opening") rig.feed({ kind: "closed" });
  });
  const opened = rig.times("open").slice(1);
  expect(opened.length).toBeGreaterThan(40);
  const gaps = opened.map((at, i) => at - (opened[i - 1] ?? 0));
  expect(gaps[0]).toBe(500);
  expect(Math.max(...gaps)).toBe(15_000);
  expect(rig.state.lostSinceMs).toBe(0);
});

test("a socket that opens and never greets is given up", () => {
  const rig = new Rig();
  rig.feed({ kind: "start" });
  rig.feed({ kind: "opened" });
  rig.pass(OPEN_WITHIN_MS);
  expect(rig.state.phase).toBe("waiting");
});

test("a network that comes back ends the pause at once", () => {
  const rig = new Rig();
  rig.ready();
  rig.feed({ kind: "closed" });
  rig.pass(100);
  rig.feed({ kind: "hurry" });
  expect(rig.times("open")).toEqual([0, 100]);
});

test("after a change of network an old socket must prove within three seconds that it lives", () => {
  const silent = new Rig();
  silent.ready();
  silent.feed({ kind: "hurry" });
  expect(silent.times("ping")).toEqual([0]);
  silent.pass(PROVE_MS);
  expect(silent.state.phase).toBe("waiting");

  const alive = new Rig();
  alive.ready();
  alive.feed({ kind: "hurry" });
  alive.now = 800;
  alive.feed({ kind: "heard" });
  alive.pass(PROVE_MS);
  expect(alive.state.phase).toBe("ready");
});

test("a welcome ends the counting of tries", () => {
  const rig = new Rig();
  rig.ready();
  for (let i = 0; i < 8; i += 1) {
    rig.feed({ kind: "closed" });
    rig.feed({ kind: "hurry" });
  }
  expect(rig.state.attempt).toBe(8);
  rig.feed({ kind: "opened" });
  rig.feed({ kind: "welcomed" });
  expect(rig.state.attempt).toBe(0);
});

test("a dead link is asked for again each minute, a replaced page only by the person", () => {
  const dead = new Rig();
  dead.ready();
  dead.feed({ kind: "refused", reason: "link", retry: true });
  expect(dead.state.reason).toBe("link");
  dead.pass(REFUSED_RETRY_MS);
  expect(dead.times("open")).toEqual([0, REFUSED_RETRY_MS]);

  const replaced = new Rig();
  replaced.ready();
  replaced.feed({ kind: "refused", reason: "replaced", retry: false });
  replaced.pass(3_600_000);
  expect(replaced.times("open")).toEqual([0]);
  replaced.feed({ kind: "start" });
  expect(replaced.times("open")).toHaveLength(2);
});

test("echoes of a socket that was given up change nothing", () => {
  const rig = new Rig();
  rig.ready();
  rig.feed({ kind: "closed" });
  const before = rig.state;
  for (const kind of ["opened", "heard", "welcomed", "closed"] as const) rig.feed({ kind });
  expect(rig.state).toBe(before);
});

test("a stopped page stays stopped", () => {
  const rig = new Rig();
  rig.ready();
  rig.feed({ kind: "stop" });
  rig.feed({ kind: "hurry" });
  rig.pass(60_000);
  expect(rig.state).toEqual(IDLE);
});

test("an opening that sleeps in TCP's retries begins again when the network is known to be back, and a fresh one goes on", () => {
  const rig = new Rig();
  rig.feed({ kind: "start" });
  rig.pass(1_000);
  rig.feed({ kind: "hurry" });
  expect(rig.times("open")).toEqual([0]);
  rig.pass(SLOW_OPENING_MS);
  rig.feed({ kind: "hurry" });
  expect(rig.times("open")).toEqual([0, 1_000 + SLOW_OPENING_MS]);
});

test("a lesson that moved to another server is followed at once, without a pause", () => {
  const rig = new Rig();
  rig.ready();
  rig.pass(1_000);
  rig.feed({ kind: "moved" });
  expect(rig.state.lostSinceMs).toBe(1_000);
  rig.pass(MOVED_SPREAD_MS);
  expect(rig.times("open")).toEqual([0, 1_000 + MOVED_SPREAD_MS]);
  rig.feed({ kind: "opened" });
  rig.feed({ kind: "welcomed" });
  expect(rig.state.phase).toBe("ready");
});

test("a server that sends every greeting away is not asked in a circle", () => {
  const rig = new Rig();
  rig.ready();
  for (let turn = 0; turn < 6; turn += 1) {
    rig.feed({ kind: "moved" });
    rig.pass(20_000, () => rig.feed({ kind: "opened" }));
  }
  const opens = rig.times("open");
  expect((opens[6] as number) - (opens[5] as number)).toBeGreaterThan(1_000);
});
