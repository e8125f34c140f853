/** The signalling WebSocket: says hello, keeps itself alive, comes back for as long as the page is open, and keeps the
 * page's view of the lesson. The rules stand in `link-state`; this module only moves bytes and timers. */

import { computed, signal } from "@preact/signals";
import { PROTOCOL_VERSION, type ClientMessage, type Role, type ServerMessage } from "../generated/messages";
import { keepAccess, type MediaAccess, recallAccess } from "./access";
import { identity } from "./identity";
import { language } from "./i18n";
import { applied, type LessonView } from "./lesson-view";
import { type Effect, IDLE, type Input, step } from "./link-state";
import { afterPong, afterStamp, serverTime, type ServerClock, UNKNOWN } from "./server-clock";
import { recall, remember } from "./storage";
import { fetchNewBuild } from "../sw/register";

/** A second socket with the same identity took over (another tab). */
const CLOSE_REPLACED = 4001;
/** The server ends, or the lesson moved to another one (RFC 6455 section 7.4). */
const CLOSE_RESTARTING = 1012;
/** The reason of a close after which the lesson is on another server, which is there already. */
const MOVING = "moving";

export interface SignallingOptions {
  readonly lesson: string;
  readonly role: Role;
  readonly token: string;
}

/** Where a participant's own name is kept: a classroom is called the same in every lesson. */
export function nameKey(role: Role): string {
  return `name.${role}`;
}

type Listener = (message: ServerMessage) => void;

export class Signalling {
  /** The lesson as last told; stays when the socket is lost. */
  readonly view = signal<LessonView | null>(null);
  readonly access = signal<MediaAccess | null>(null);
  /** The code of the last refused message; emptied by whoever showed it. */
  readonly refusal = signal("");

  private readonly state = signal(IDLE);
  readonly phase = computed(() => this.state.value.phase);
  /** When the socket was lost, on the clock of `performance.now()`; null while it works. */
  readonly lostSinceMs = computed(() => this.state.value.lostSinceMs);
  /** Why the server will not have this page; empty otherwise. */
  readonly reason = computed(() => this.state.value.reason);

  /** When the socket last said anything, on the clock of `performance.now()`; null: it never has. */
  heardAtMs: number | null = null;

  /** The time line's clock, as well as it is known; the page's own is `performance.now()`. */
  clock: ServerClock = UNKNOWN;

  /** What the page wants, said in one breath with each greeting, which sets it back. */
  wish: (() => ClientMessage) | null = null;

  private readonly pinged = new Map<number, number>();
  private socket: WebSocket | null = null;
  private timer = 0;
  private pings = 0;
  private readonly listeners: Listener[] = [];
  private readonly movers: (() => void)[] = [];

  constructor(private readonly options: SignallingOptions) {
    this.access.value = recallAccess(this.options.lesson, this.options.role);
  }

  /** Connect, and stay connected until `stop`. Also the way back after another window took over. */
  start(): void {
    this.feed({ kind: "start" });
    addEventListener("online", this.hurry);
    document.addEventListener("visibilitychange", this.hurryWhenSeen);
  }

  stop(): void {
    removeEventListener("online", this.hurry);
    document.removeEventListener("visibilitychange", this.hurryWhenSeen);
    this.feed({ kind: "stop" });
  }

  /** Send when the socket is ready; returns false, and drops the message, when it is not. */
  send(message: ClientMessage): boolean {
    // Peeked: whoever sends inside an effect must not run again with every message heard.
    if (this.state.peek().phase !== "ready" || this.socket === null) return false;
    return this.write(message);
  }

  /** Hear every message after the view has taken it up. */
  listen(listener: Listener): void {
    this.listeners.push(listener);
  }

  /** Hear that the lesson is on another server now: media sessions of the old one are gone. */
  onMoved(hear: () => void): void {
    this.movers.push(hear);
  }

  /** Something else reached the server: do not sit out the pause, nor TCP's. */
  reachable(): void {
    const { phase } = this.state.peek();
    if (phase === "waiting" || phase === "opening") this.feed({ kind: "hurry" });
  }

  /** The network was away and is back: what seems to work must prove it. */
  back(): void {
    this.feed({ kind: "hurry" });
  }

  private readonly hurry = (): void => this.feed({ kind: "hurry" });

  private readonly hurryWhenSeen = (): void => {
    if (document.visibilityState === "visible") this.hurry();
  };

  /** A fatal error. A dead link and a full lesson are asked again now and then, as someone may mend that; after any other
   *  (a server that is going down, a greeting that came too late) the closing socket is followed by the next try. */
  private refused(code: string): void {
    if (DEAD_LINK.indexOf(code) >= 0) this.feed({ kind: "refused", reason: "link", retry: true });
    else if (FULL.indexOf(code) >= 0) this.feed({ kind: "refused", reason: "full", retry: true });
    else if (code === "version") reloadForNewServer();
  }

  private feed(input: Input): void {
    const { state, effects } = step(this.state.peek(), input, performance.now(), Math.random());
    this.state.value = state;
    clearTimeout(this.timer);
    if (state.wakeAtMs !== null) {
      this.timer = setTimeout(() => this.feed({ kind: "tick" }), Math.max(0, state.wakeAtMs - performance.now()));
    }
    for (const effect of effects) this.act(effect);
  }

  private act(effect: Effect): void {
    switch (effect) {
      case "open":
        this.open();
        break;
      case "close":
        this.close();
        break;
      case "hello":
        this.write({
          type: "hello",
          token: this.options.token,
          identity: identity(this.options.lesson, this.options.role),
          name: recall(nameKey(this.options.role)) ?? "",
          language: language.peek(),
          version: PROTOCOL_VERSION,
        });
        if (this.wish !== null) this.write(this.wish());
        break;
      case "ping":
        this.ask();
        break;
    }
  }

  private open(): void {
    this.close();
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws/${this.options.lesson}`);
    this.socket = socket;
    const own = (then: () => void): void => {
      if (this.socket === socket) then();
    };
    socket.onopen = () => own(() => this.feed({ kind: "opened" }));
    socket.onmessage = (event: MessageEvent<unknown>) => own(() => this.hear(event.data));
    socket.onclose = (event) =>
      own(() => {
        this.socket = null;
        if (event.code === CLOSE_REPLACED) this.feed({ kind: "refused", reason: "replaced", retry: false });
        else this.feed({ kind: event.code === CLOSE_RESTARTING ? "moved" : "closed" });
        if (event.code === CLOSE_RESTARTING && event.reason === MOVING) for (const hear of this.movers) hear();
      });
  }

  private close(): void {
    const socket = this.socket;
    this.socket = null;
    if (socket !== null) socket.close();
  }

  private write(message: ClientMessage): boolean {
    try {
      this.socket?.send(JSON.stringify(message));
      return true;
    } catch {
      return false;
    }
  }

  /** The server's clock of the time line now, ms since 1970; null before it was heard. */
  serverNowMs(): number | null {
    return serverTime(this.clock, performance.now());
  }

  /** Measure the way to the server once more, out of turn. */
  ping(): void {
    if (this.state.peek().phase === "ready") this.ask();
  }

  private ask(): void {
    this.pings += 1;
    // Answers of the sockets before this one do not come any more.
    if (this.pinged.size > PINGS_KEPT) this.pinged.clear();
    this.pinged.set(this.pings, performance.now());
    this.write({ type: "ping", n: this.pings });
  }

  private tick(message: ServerMessage, now: number): void {
    if (message.type === "pong") {
      const sentMs = this.pinged.get(message.n);
      this.pinged.delete(message.n);
      if (sentMs !== undefined && message.at_ms > 0) this.clock = afterPong(this.clock, message.at_ms, sentMs, now);
    } else if (message.type === "happened") {
      this.clock = afterStamp(this.clock, message.at_ms, now);
    }
  }

  private hear(data: unknown): void {
    const now = performance.now();
    this.heardAtMs = now;
    const message = parse(data);
    if (message === null) return;
    this.tick(message, now);
    if (message.type === "error" && message.fatal) {
      this.refused(message.code);
      return;
    }
    if (message.type === "welcome") {
      const access: MediaAccess = {
        token: message.media_token,
        whipUrl: message.whip_url,
        whepUrl: message.whep_url,
        catchupUrl: message.catchup_url ?? "",
        iceServers: message.ice_servers ?? [],
      };
      this.access.value = access;
      keepAccess(this.options.lesson, this.options.role, access, message.server_time_ms);
    }
    this.view.value = applied(this.view.peek(), message, Date.now());
    this.feed({ kind: message.type === "welcome" ? "welcomed" : "heard" });
    if (message.type === "error") this.refusal.value = message.code;
    for (const listener of this.listeners) listener(message);
  }
}

/** Round trips that are waited for. */
const PINGS_KEPT = 8;

/** Codes that mean that this link will not work however often it is tried. */
const DEAD_LINK = ["token_invalid", "token_revoked", "token_missing", "wrong_role", "wrong_lesson", "lesson_unknown"];

/** No place now; there may be one later. */
const FULL = ["lesson_full", "too_many_sockets"];
/** A page that was reloaded for a newer server is not reloaded again within this time. */
const RELOAD_AT_MOST_EVERY_MS = 60_000;

/** A server message, or null when it is none; messages of a newer server that this page does not know are ignored. */
function parse(data: unknown): ServerMessage | null {
  if (typeof data !== "string") return null;
  try {
    const value = JSON.parse(data) as { type?: unknown } | null;
    return typeof value?.type === "string" ? (value as ServerMessage) : null;
  } catch {
    return null;
  }
}

/** The server speaks a newer protocol: load its page. */
function reloadForNewServer(): void {
  const last = Number(recall("reloaded") ?? "0");
  if (Math.abs(Date.now() - last) < RELOAD_AT_MOST_EVERY_MS) return;
  remember("reloaded", String(Date.now()));
  void fetchNewBuild().then(() => location.reload());
}
