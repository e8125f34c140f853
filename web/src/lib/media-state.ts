/** The life of a WHIP or WHEP session as a table: what happened and `now` in, the next state and what to do out.
 *
 * It never gives up while the session is wanted. Knows no RTCPeerConnection, no HTTP and no clock. An input that a phase
 * has no row for changes nothing.
 */

import { backoffMs } from "./backoff";

/** A silent path often speaks again by itself; after this long it is asked to restart (RFC 8445 section 9). */
export const SHAKY_MS = 2_000;
/** DTLS and ICE on a link of 300 ms with 5% loss took up to 5 s (measured); twice that is hopeless. */
export const CONNECT_WITHIN_MS = 12_000;
export const RESTART_WITHIN_MS = 8_000;

/** An offer that was not answered for so long sleeps in TCP, which waits longer with each loss: where there is hope, another
 *  one is there sooner. Before, the greeting of a page that opens must not throw away an answer that is on its way. */
export const STALE_POST_MS = 3_000;
/** No answer takes longer, its body included, than HTTP is given for it. */
export const POST_WITHIN_MS = 20_000;

export type Phase = "off" | "posting" | "connecting" | "up" | "shaky" | "restarting" | "waiting";

export type Input =
  | { readonly kind: "want" }
  | { readonly kind: "unwant" }
  /** The offer was answered. */
  | { readonly kind: "answered" }
  /** The offer was not answered, or refused; `retryAfterMs` when the server said how long (RFC 9110 section 10.2.3). */
  | { readonly kind: "unanswered"; readonly retryAfterMs: number }
  | { readonly kind: "connected" }
  | { readonly kind: "disconnected" }
  | { readonly kind: "failed" }
  /** The server knows no such session, or would not restart it. */
  | { readonly kind: "restart_refused" }
  /** The server closed the session. */
  | { readonly kind: "dropped" }
  /** The machine changed its network. */
  | { readonly kind: "moved" }
  /** There is reason to hope: do not sit out the pause. */
  | { readonly kind: "hurry" }
  /** The person says that it does not work: start afresh. */
  | { readonly kind: "renew" }
  | { readonly kind: "tick" };

export type Effect = "post" | "restart" | "drop";

export interface MediaState {
  readonly phase: Phase;
  readonly attempt: number;
  /** When media stopped flowing (or was first wanted); null while it flows and while it is not wanted. */
  readonly lostSinceMs: number | null;
  /** When a `tick` is wanted; null: never. */
  readonly wakeAtMs: number | null;
}

export interface Step {
  readonly state: MediaState;
  readonly effects: readonly Effect[];
}

export const OFF: MediaState = { phase: "off", attempt: 0, lostSinceMs: null, wakeAtMs: null };

type Row = (state: MediaState, now: number, input: Input, random: number) => Step;

function same(state: MediaState): Step {
  return { state, effects: [] };
}

const post =
  (effects: readonly Effect[]): Row =>
  (state, now) => ({
    state: { ...state, phase: "posting", lostSinceMs: state.lostSinceMs ?? now, wakeAtMs: now + POST_WITHIN_MS },
    effects,
  });

const answered: Row = (state, now) => same({ ...state, phase: "connecting", wakeAtMs: now + CONNECT_WITHIN_MS });

const up: Row = () => same({ phase: "up", attempt: 0, lostSinceMs: null, wakeAtMs: null });

const shake: Row = (state, now) => same({ ...state, phase: "shaky", lostSinceMs: now, wakeAtMs: now + SHAKY_MS });

const restart: Row = (state, now, input) => ({
  state: {
    ...state,
    phase: "restarting",
    // A path that moved may still carry media; one that failed does not.
    lostSinceMs: state.lostSinceMs ?? (input.kind === "moved" ? null : now),
    wakeAtMs: now + RESTART_WITHIN_MS,
  },
  effects: ["restart"],
});

const giveUp: Row = (state, now, input, random) => {
  const asked = input.kind === "unanswered" ? input.retryAfterMs : 0;
  return {
    state: {
      phase: "waiting",
      attempt: state.attempt + 1,
      lostSinceMs: state.lostSinceMs ?? now,
      wakeAtMs: now + Math.max(asked, backoffMs(state.attempt, random)),
    },
    effects: ["drop"],
  };
};

const whenDue =
  (then: Row): Row =>
  (state, now, input, random) =>
    state.wakeAtMs !== null && now >= state.wakeAtMs ? then(state, now, input, random) : same(state);

const off: Row = () => ({ state: OFF, effects: ["drop"] });

const renew = post(["drop", "post"]);

const renewStale: Row = (state, now, input, random) =>
  state.wakeAtMs !== null && now >= state.wakeAtMs - POST_WITHIN_MS + STALE_POST_MS ? renew(state, now, input, random) : same(state);

const TABLE: Readonly<Record<Phase, Partial<Readonly<Record<Input["kind"], Row>>>>> = {
  off: { want: post(["post"]) },
  // A POST from an address that is gone will not be answered; a person who asks for help is not to wait for one.
  posting: { unwant: off, answered, unanswered: giveUp, connected: up, moved: renew, hurry: renewStale, renew, tick: whenDue(giveUp) },
  connecting: { unwant: off, connected: up, failed: giveUp, dropped: giveUp, tick: whenDue(giveUp), renew },
  up: { unwant: off, disconnected: shake, failed: restart, dropped: renew, moved: restart, renew },
  shaky: { unwant: off, connected: up, failed: restart, dropped: renew, moved: restart, hurry: restart, tick: whenDue(restart), renew },
  // The session is gone at the server (a restart of it, or 30 s of silence): a new one at once, without a pause.
  restarting: {
    unwant: off,
    connected: up,
    // The request may have been lost with the network that is back now.
    hurry: restart,
    moved: restart,
    failed: renew,
    restart_refused: renew,
    dropped: renew,
    tick: whenDue(giveUp),
    renew,
  },
  waiting: { unwant: off, moved: post(["post"]), hurry: post(["post"]), renew: post(["post"]), tick: whenDue(post(["post"])) },
};

/**
 * What comes next.
 *
 * @param now milliseconds of any steady clock
 * @param random a number in [0, 1), for the jitter of the pause
 */
export function step(state: MediaState, input: Input, now: number, random: number): Step {
  const row = TABLE[state.phase][input.kind];
  return row === undefined ? same(state) : row(state, now, input, random);
}
