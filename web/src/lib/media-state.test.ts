import { expect, test } from "vitest";
import { CONNECT_WITHIN_MS, type Effect, type Input, type MediaState, OFF, POST_WITHIN_MS, RESTART_WITHIN_MS, SHAKY_MS, STALE_POST_MS, step } from "./media-state";

class Rig {
  state: MediaState = OFF;
  now = 0;
  readonly log: [number, Effect][] = [];

  feed(kind: Exclude<Input["kind"], "unanswered">): void {
    this.take({ kind });
  }

  take(input: Input): void {
    const { state, effects } = step(this.state, input, this.now, 1);
    this.state = state;
    for (const effect of effects) this.log.push([this.now, effect]);
  }

  pass(ms: number, onTick: () => void = () => undefined): void {
    const end = this.now + ms;
    for (let turns = 0; turns < 10_000; turns += 1) {
      const wake = this.state.wakeAtMs;
      if (wake === null || wake > end) break;
      this.now = Math.max(this.now, wake);
      this.feed("tick");
      onTick();
    }
    this.now = end;
  }

  up(): void {
    this.feed("want");
    this.feed("answered");
    this.feed("connected");
  }

  done(effect: Effect): number[] {
    return this.log.filter(([, one]) => one === effect).map(([at]) => at);
  }
}

test("a wanted session is posted, answered, and up when it connects", () => {
  const rig = new Rig();
  rig.up();
  expect(rig.log).toEqual([[0, "post"]]);
  expect(rig.state).toEqual({ phase: "up", attempt: 0, lostSinceMs: null, wakeAtMs: null });
});

test("wanting twice makes one session", () => {
  const rig = new Rig();
  rig.feed("want");
  rig.feed("want");
  expect(rig.done("post")).toHaveLength(1);
});

test("a short silence heals by itself", () => {
  const rig = new Rig();
  rig.up();
  rig.feed("disconnected");
  rig.pass(SHAKY_MS - 1);
  rig.feed("connected");
  expect(rig.done("restart")).toEqual([]);
  expect(rig.state.phase).toBe("up");
});

test("two seconds of silence restart ICE, and the trouble counts from its beginning", () => {
  const rig = new Rig();
  rig.up();
  rig.now = 10_000;
  rig.feed("disconnected");
  rig.pass(SHAKY_MS);
  expect(rig.done("restart")).toEqual([12_000]);
  expect(rig.state.lostSinceMs).toBe(10_000);
  rig.feed("connected");
  expect(rig.state.lostSinceMs).toBeNull();
});

test("a restart that is refused makes a new session without a pause", () => {
  const rig = new Rig();
  rig.up();
  rig.feed("failed");
  rig.now = 50;
  rig.feed("restart_refused");
  expect(rig.log.slice(1)).toEqual([
    [0, "restart"],
    [50, "drop"],
    [50, "post"],
  ]);
});

test("a restart that comes to nothing makes a new session", () => {
  const rig = new Rig();
  rig.up();
  rig.feed("failed");
  rig.pass(RESTART_WITHIN_MS + 500);
  expect(rig.done("drop")).toEqual([RESTART_WITHIN_MS]);
  expect(rig.done("post")).toEqual([0, RESTART_WITHIN_MS + 500]);
});

test("a restart that was lost with the network is asked for again when there is hope", () => {
  const rig = new Rig();
  rig.up();
  rig.feed("failed");
  rig.now = 3_000;
  rig.feed("hurry");
  expect(rig.done("restart")).toEqual([0, 3_000]);
  expect(rig.done("post")).toEqual([0]);
});

test("hope does not disturb a session that is up", () => {
  const rig = new Rig();
  rig.up();
  rig.feed("hurry");
  expect(rig.log).toEqual([[0, "post"]]);
});

test("a session that never connects is tried anew", () => {
  const rig = new Rig();
  rig.feed("want");
  rig.feed("answered");
  rig.pass(CONNECT_WITHIN_MS + 500);
  expect(rig.done("post")).toHaveLength(2);
});

test("it never gives up while it is wanted", () => {
  const rig = new Rig();
  rig.feed("want");
  rig.take({ kind: "unanswered", retryAfterMs: 0 });
  rig.pass(600_000, () => {
    if (rig.state.phase === "posting") rig.take({ kind: "unanswered", retryAfterMs: 0 });
  });
  const posts = rig.done("post");
  expect(posts.length).toBeGreaterThan(40);
  expect(Math.max(...posts.map((at, i) => at - (posts[i - 1] ?? 0)))).toBe(15_000);
  expect(rig.state.lostSinceMs).toBe(0);
});

test("a server that asks for patience gets it", () => {
  const rig = new Rig();
  rig.feed("want");
  rig.take({ kind: "unanswered", retryAfterMs: 7_000 });
  rig.pass(6_999);
  expect(rig.done("post")).toHaveLength(1);
  rig.pass(1);
  expect(rig.done("post")).toHaveLength(2);
});

test.each(["moved", "renew"] as const)("an offer that sleeps is made anew at once: %s", (kind) => {
  const rig = new Rig();
  rig.feed("want");
  rig.now = 10;
  rig.feed(kind);
  expect(rig.log.slice(1)).toEqual([
    [10, "drop"],
    [10, "post"],
  ]);
  expect(rig.state).toMatchObject({ phase: "posting", attempt: 0, lostSinceMs: 0 });
});

test("hope throws away an offer that sleeps, and none whose answer is on its way", () => {
  const rig = new Rig();
  rig.feed("want");
  rig.now = STALE_POST_MS - 1;
  rig.feed("hurry");
  expect(rig.done("post")).toEqual([0]);
  rig.now = STALE_POST_MS;
  rig.feed("hurry");
  expect(rig.done("post")).toEqual([0, STALE_POST_MS]);
  rig.now += 10;
  rig.feed("hurry");
  expect(rig.done("post")).toHaveLength(2);
});

test("an answer whose body never comes is not waited for", () => {
  const rig = new Rig();
  rig.feed("want");
  rig.pass(POST_WITHIN_MS + 500);
  expect(rig.done("drop")).toEqual([POST_WITHIN_MS]);
  expect(rig.done("post")).toEqual([0, POST_WITHIN_MS + 500]);
});

test("a network that comes back ends the pause", () => {
  const rig = new Rig();
  rig.feed("want");
  rig.take({ kind: "unanswered", retryAfterMs: 0 });
  rig.now = 10;
  rig.feed("moved");
  expect(rig.done("post")).toEqual([0, 10]);
});

test("a changed network restarts ICE without saying that anything is lost", () => {
  const rig = new Rig();
  rig.up();
  rig.feed("moved");
  expect(rig.done("restart")).toEqual([0]);
  expect(rig.state.lostSinceMs).toBeNull();
});

test("a session that the server closed is made anew at once", () => {
  const rig = new Rig();
  rig.up();
  rig.feed("dropped");
  expect(rig.log.slice(1)).toEqual([
    [0, "drop"],
    [0, "post"],
  ]);
});

test("what is not wanted any more is dropped, whatever it was doing", () => {
  const ways: ((rig: Rig) => void)[] = [
    (rig) => rig.feed("want"),
    (rig) => (rig.feed("want"), rig.feed("answered")),
    (rig) => rig.up(),
    (rig) => (rig.up(), rig.feed("disconnected")),
    (rig) => (rig.up(), rig.feed("failed")),
    (rig) => (rig.feed("want"), rig.take({ kind: "unanswered", retryAfterMs: 0 })),
  ];
  for (const way of ways) {
    const rig = new Rig();
    way(rig);
    rig.feed("unwant");
    expect(rig.state).toEqual(OFF);
    expect(rig.log[rig.log.length - 1]?.[1]).toBe("drop");
    rig.pass(60_000);
    expect(rig.state).toEqual(OFF);
  }
});

test("what is off hears nothing", () => {
  const rig = new Rig();
  for (const kind of ["answered", "connected", "failed", "dropped", "moved", "hurry", "renew", "tick"] as const) rig.feed(kind);
  expect(rig.log).toEqual([]);
});
