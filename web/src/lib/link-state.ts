/** The life of the signalling socket as a table: what happened and `now` in, the next state and what to do out.
 *
 * Knows no WebSocket, no timer and no clock, so that every rule is tested in virtual time. An input that a phase has no
 * row for changes nothing: it is an echo of a socket that was given up.
 */

import { backoffMs } from "./backoff";

/** Pages send a ping this often (`Ping` in the protocol). */
export const PING_EVERY_MS = 5_000;
/** Silence after which a socket counts as dead, though TCP may think otherwise for minutes. */
export const DEAD_AFTER_MS = 12_000;
/** After the network came back the old socket gets this long to prove that it still lives. */
export const PROVE_MS = 3_000;
/** Opening and greeting together may take this long: five round trips of 300 ms with every packet lost once. */
export const OPEN_WITHIN_MS = 10_000;
/** An opening that is slower than this when the network is known to be back sleeps in TCP's retries: begin again. */
export const SLOW_OPENING_MS = 2_500;
/** After a move all come back at once, spread over this time so that a hundred do not knock in the same instant. */
export const MOVED_SPREAD_MS = 150;
/** A refused link is asked for again this often: the operator may have restored it. */
export const REFUSED_RETRY_MS = 60_000;

export type Phase = "idle" | "opening" | "greeting" | "ready" | "waiting" | "refused";

export type Input =
  | { readonly kind: "start" }
  | { readonly kind: "opened" }
  | { readonly kind: "heard" }
  | { readonly kind: "welcomed" }
  | { readonly kind: "closed" }
  /** The server closed it and is there again at once: the lesson moved to another one. */
  | { readonly kind: "moved" }
  /** The server will not have us; `retry` false: not until the person asks. */
  | { readonly kind: "refused"; readonly reason: string; readonly retry: boolean }
  /** The network or the person came back: do not sit out the pause. */
  | { readonly kind: "hurry" }
  | { readonly kind: "tick" }
  | { readonly kind: "stop" };

export type Effect = "open" | "close" | "hello" | "ping";

export interface LinkState {
  readonly phase: Phase;
  /** Tries since the socket last worked. */
  readonly attempt: number;
  /** When the socket stopped working; null while it works and before the first start. */
  readonly lostSinceMs: number | null;
  /** When a `tick` is wanted; null: never. */
  readonly wakeAtMs: number | null;
  readonly pingAtMs: number;
  readonly deadAtMs: number;
  /** Why the server refused; empty otherwise. */
  readonly reason: string;
}

export interface Step {
  readonly state: LinkState;
  readonly effects: readonly Effect[];
}

export const IDLE: LinkState = {
  phase: "idle",
  attempt: 0,
  lostSinceMs: null,
  wakeAtMs: null,
  pingAtMs: 0,
  deadAtMs: 0,
  reason: "",
};

type Row = (state: LinkState, now: number, input: Input, random: number) => Step;

const open: Row = (state, now) => ({
  state: {
    ...state,
    phase: "opening",
    lostSinceMs: state.lostSinceMs ?? now,
    wakeAtMs: now + OPEN_WITHIN_MS,
  },
  effects: ["open"],
});

const lose =
  (effects: readonly Effect[]): Row =>
  (state, now, _input, random) => ({
    state: {
      ...state,
      phase: "waiting",
      attempt: state.attempt + 1,
      lostSinceMs: state.lostSinceMs ?? now,
      wakeAtMs: now + backoffMs(state.attempt, random),
    },
    effects,
  });

const reopenSoon: Row = (state, now, _input, random) => ({
  state: {
    ...state,
    phase: "waiting",
    lostSinceMs: state.lostSinceMs ?? now,
    wakeAtMs: now + random * MOVED_SPREAD_MS,
  },
  effects: [],
});

const overdue: Row = (state, now, input, random) =>
  state.wakeAtMs !== null && now >= state.wakeAtMs ? lose(["close"])(state, now, input, random) : same(state);

const reopenWhenDue: Row = (state, now, input, random) =>
  state.wakeAtMs !== null && now >= state.wakeAtMs ? open(state, now, input, random) : same(state);

const openAgain: Row = (state, now, input, random) =>
  state.wakeAtMs !== null && now >= state.wakeAtMs - OPEN_WITHIN_MS + SLOW_OPENING_MS ? open(state, now, input, random) : same(state);

const greet: Row = (state) => ({ state: { ...state, phase: "greeting" }, effects: ["hello"] });

const welcome: Row = (_state, now) => ({
  state: {
    phase: "ready",
    attempt: 0,
    lostSinceMs: null,
    pingAtMs: now + PING_EVERY_MS,
    deadAtMs: now + DEAD_AFTER_MS,
    wakeAtMs: now + PING_EVERY_MS,
    reason: "",
  },
  effects: [],
});

const heard: Row = (state, now) => awake({ ...state, deadAtMs: now + DEAD_AFTER_MS });

const beat: Row = (state, now, input, random) => {
  if (now >= state.deadAtMs) return lose(["close"])(state, now, input, random);
  if (now < state.pingAtMs) return same(state);
  return awake({ ...state, pingAtMs: now + PING_EVERY_MS }, ["ping"]);
};

const prove: Row = (state, now) =>
  awake({ ...state, pingAtMs: now + PING_EVERY_MS, deadAtMs: Math.min(state.deadAtMs, now + PROVE_MS) }, ["ping"]);

const refuse: Row = (state, now, input) => {
  if (input.kind !== "refused") return same(state);
  const wakeAtMs = input.retry ? now + REFUSED_RETRY_MS : null;
  return { state: { ...state, phase: "refused", reason: input.reason, wakeAtMs }, effects: ["close"] };
};

const stop: Row = () => ({ state: IDLE, effects: ["close"] });

function same(state: LinkState): Step {
  return { state, effects: [] };
}

function awake(state: LinkState, effects: readonly Effect[] = []): Step {
  return { state: { ...state, wakeAtMs: Math.min(state.pingAtMs, state.deadAtMs) }, effects };
}

const TABLE: Readonly<Record<Phase, Partial<Readonly<Record<Input["kind"], Row>>>>> = {
  idle: { start: open },
  opening: { opened: greet, hurry: openAgain, closed: lose([]), moved: lose([]), refused: refuse, tick: overdue, stop },
  // Only a socket that worked comes back without a pause: a server that closes every greeting is not asked in a circle.
  greeting: { welcomed: welcome, closed: lose([]), moved: lose([]), refused: refuse, tick: overdue, stop },
  ready: { heard, welcomed: welcome, closed: lose([]), moved: reopenSoon, refused: refuse, hurry: prove, tick: beat, stop },
  waiting: { start: open, hurry: open, tick: reopenWhenDue, stop },
  refused: { start: open, tick: reopenWhenDue, stop },
};

/**
 * What comes next.
 *
 * @param now milliseconds of any steady clock
 * @param random a number in [0, 1), for the jitter of the pause
 */
export function step(state: LinkState, input: Input, now: number, random: number): Step {
  const row = TABLE[state.phase][input.kind];
  return row === undefined ? same(state) : row(state, now, input, random);
}
