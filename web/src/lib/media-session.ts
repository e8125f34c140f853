/** One WHIP or WHEP session that stays up for as long as it is wanted: offer, answer, ICE restart, a new session when that
 * fails. The rules stand in `media-state`; this module moves SDP, timers and the RTCPeerConnection. It is independent of
 * the signalling socket, so sound goes on when that is lost. */

import { computed, signal } from "@preact/signals";
import type { IceServer } from "../generated/messages";
import { ApiError, request } from "./api";
import type { HeadStart } from "./head-start";
import { type Effect, type Input, OFF, step } from "./media-state";
import { type Answered, connection, describe, postOffer, sendSdp } from "./offer";
import { withoutSound } from "./sdp-receive";
import { restartedAnswer, restartFragment, sessionId } from "./sdp";

/** What a session is for. */
export interface MediaPurpose {
  /** The endpoint; empty while it is not known yet. */
  readonly url: () => string;
  readonly token: () => string;
  /** What a POST says beside the token. */
  readonly headers?: () => Readonly<Record<string, string>>;
  /** A session that was begun before this page could, for the first offer; null when there is none. */
  readonly headStart?: () => HeadStart | null;
  /** TURN servers for networks that let no UDP through; empty where the server has none. */
  readonly iceServers?: () => readonly IceServer[];
  /** Every offer as the browser is to have it. */
  readonly described?: (offer: string) => string;
  /** Every answer as the browser is to have it. */
  readonly accepted?: (answer: string) => string;
  /** What is posted of an offer; the browser keeps the whole. */
  readonly posted?: (offer: string) => string;
  /** Put the transceivers into a new connection. */
  readonly prepare: (pc: RTCPeerConnection) => void;
  /** The answer is in place: transceivers have their `mid`. */
  readonly answered: (pc: RTCPeerConnection) => void;
}

/** Time for one HTTP round trip of a POST, by the number of the try. The first ones are short: TCP's own retries wait longer
 *  with each loss, and would sleep through the return of a link; the last fits a link where each packet needs a second try. */
const POST_WITHIN_MS = [5_000, 8_000, 15_000] as const;
const PATCH_WITHIN_MS = 5_000;

export class MediaSession {
  /** The id of the session at the server; empty between sessions. */
  readonly id = signal("");
  readonly pc = signal<RTCPeerConnection | null>(null);

  /** The code with which the server last refused the offer; empty once it was answered. */
  readonly refusal = signal("");

  private readonly state = signal(OFF);
  readonly phase = computed(() => this.state.value.phase);
  /** When media stopped flowing, on the clock of `performance.now()`; null while it flows or is not wanted. */
  readonly lostSinceMs = computed(() => this.state.value.lostSinceMs);

  private timer = 0;
  private resource = "";
  private owner = "";
  private etag = "";
  private answer = "";
  /** The server ends the session, so that an answer still under way must not be followed by a DELETE. */
  private serverEnds = false;
  /** An answer is being taken anew; another change came meanwhile. */
  private accepting = false;
  private unaccepted = false;
  /** The session that the server closed last: perhaps before its own answer came. */
  private closed = "";

  constructor(private readonly purpose: MediaPurpose) {
    addEventListener("online", () => this.feed({ kind: "moved" }));
    addEventListener("pagehide", () => this.leave());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.feed({ kind: "hurry" });
    });
  }

  /**
   * Have a session from now on, or end it.
   *
   * @param serverEnds true when the server ends the session by itself, as with a call or a lesson, so that no DELETE is
   *   due
   */
  want(wanted: boolean, serverEnds = false): void {
    if (wanted && this.purpose.url() === "") return;
    this.serverEnds = !wanted && serverEnds;
    if (this.serverEnds) this.resource = "";
    this.feed({ kind: wanted ? "want" : "unwant" });
  }

  /** Try at once if it is only waiting. */
  hurry(): void {
    this.feed({ kind: "hurry" });
  }

  /** Start afresh: a person says that it does not work. */
  renew(): void {
    this.feed({ kind: "renew" });
  }

  /**
   * Throw away the sound that waits in the jitter buffers, as a class that is called on must not answer a second late: the
   * sound is renegotiated off and on again with this page's own copy of the answer. The server notices nothing; what is
   * lost is what was buffered and some 20 ms (Chromium 156).
   */
  async flushSound(): Promise<void> {
    const pc = this.pc.peek();
    if (pc === null || this.answer === "" || pc.signalingState !== "stable" || this.state.peek().phase !== "up") return;
    const answer = this.answer;
    const sounds = pc.getTransceivers().filter((one) => one.receiver.track.kind === "audio" && one.direction === "recvonly");
    try {
      for (const one of sounds) one.direction = "inactive";
      await describe(pc, this.purpose.described);
      await this.accept(pc, withoutSound(answer));
      for (const one of sounds) one.direction = "recvonly";
      await describe(pc, this.purpose.described);
      await this.accept(pc, answer);
    } catch {
      // Half way through it would be silent for good.
      if (this.pc.peek() === pc) this.renew();
    }
  }

  /**
   * Take the answer anew, as `accepted` has it now: what a browser may send (one channel or two) changes without the server
   * and without a new session. Does nothing while an offer is under way, whose answer will be taken so anyhow.
   */
  async acceptAgain(): Promise<void> {
    this.unaccepted = true;
    if (this.accepting) return;
    this.accepting = true;
    while (this.unaccepted) {
      this.unaccepted = false;
      await this.acceptOnce();
    }
    this.accepting = false;
  }

  private async acceptOnce(): Promise<void> {
    const pc = this.pc.peek();
    if (pc === null || this.answer === "" || pc.signalingState !== "stable") return;
    try {
      await describe(pc, this.purpose.described);
      await this.accept(pc, this.answer);
    } catch {
      // Half way through it could be restarted no more.
      if (this.pc.peek() === pc && pc.signalingState !== "stable") this.renew();
    }
  }

  private accept(pc: RTCPeerConnection, answer: string): Promise<void> {
    return pc.setRemoteDescription({ type: "answer", sdp: this.purpose.accepted?.(answer) ?? answer });
  }

  /** The server says that it closed session `id`. */
  closedByServer(id: string): void {
    if (id !== "" && id === this.id.peek()) {
      this.resource = "";
      this.feed({ kind: "dropped" });
    } else {
      this.closed = id;
    }
  }

  /** The lesson moved to another server: the session of the old one is gone, whatever its path still says. */
  moved(): void {
    if (this.id.peek() === "") return;
    this.resource = "";
    this.feed({ kind: "renew" });
  }

  /** Who has the lesson now: a session that another process has is gone with it. A server older than this page, as while
   *  a fleet is upgraded, does not say. */
  ownedBy(owner: string | undefined): void {
    if (owner && this.owner !== "" && owner !== this.owner) this.moved();
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
    if (effect === "post") void this.post();
    else if (effect === "restart") void this.restart();
    else this.drop();
  }

  private async post(): Promise<void> {
    const early = this.purpose.headStart?.() ?? null;
    let pc: RTCPeerConnection;
    try {
      pc = early?.pc ?? connection(this.purpose.iceServers?.() ?? []);
    } catch {
      this.feed({ kind: "unanswered", retryAfterMs: 0 });
      return;
    }
    this.pc.value = pc;
    pc.oniceconnectionstatechange = () => this.watch(pc);
    try {
      const answered = await (early === null ? this.offer(pc) : early.answered);
      if (answered === null) return;
      if (this.pc.peek() !== pc) {
        if (!this.serverEnds && sessionId(answered.resource) !== this.closed) void this.remove(answered.resource);
        return;
      }
      this.resource = answered.resource;
      this.etag = answered.etag;
      this.owner = answered.owner;
      this.answer = answered.sdp;
      this.id.value = sessionId(this.resource);
      this.refusal.value = "";
      if (early === null) await this.accept(pc, answered.sdp);
      if (this.pc.peek() !== pc) return;
      this.purpose.answered(pc);
      this.feed({ kind: "answered" });
      // The server closed it before this page knew that it has it.
      if (this.id.peek() === this.closed) this.closedByServer(this.closed);
      else this.watch(pc);
    } catch (error) {
      if (this.pc.peek() !== pc) return;
      if (error instanceof ApiError && error.status > 0) this.refusal.value = error.code;
      this.feed({ kind: "unanswered", retryAfterMs: retryAfterMs(error) });
    }
  }

  /** Null when the session was not wanted any more before it was asked for. */
  private async offer(pc: RTCPeerConnection): Promise<Answered | null> {
    this.purpose.prepare(pc);
    // The server is ICE-lite and answers with its own address: our candidates are not needed, so no gathering.
    await describe(pc, this.purpose.described);
    if (this.pc.peek() !== pc) return null;
    const door = { url: this.purpose.url(), token: this.purpose.token(), headers: this.purpose.headers?.() ?? {} };
    const { attempt } = this.state.peek();
    return postOffer(door, this.posted(pc), POST_WITHIN_MS[Math.min(attempt, POST_WITHIN_MS.length - 1)] as number);
  }

  private posted(pc: RTCPeerConnection): string {
    const offer = pc.localDescription?.sdp ?? "";
    return this.purpose.posted?.(offer) ?? offer;
  }

  private async restart(): Promise<void> {
    const pc = this.pc.peek();
    if (pc === null || this.resource === "") {
      this.feed({ kind: "restart_refused" });
      return;
    }
    try {
      await describe(pc, this.purpose.described, { iceRestart: true });
      const fragment = restartFragment(pc.localDescription?.sdp ?? "");
      const type = "application/trickle-ice-sdpfrag";
      const match = { "If-Match": this.etag };
      const response = await sendSdp("PATCH", this.resource, this.purpose.token(), type, fragment, match, PATCH_WITHIN_MS);
      const answer = restartedAnswer(this.answer, await response.text());
      if (this.pc.peek() !== pc) return;
      if (answer === null) throw new Error("the answer to the restart holds no credentials");
      this.etag = response.headers.get("ETag") ?? this.etag;
      this.answer = answer;
      await this.accept(pc, answer);
      this.watch(pc);
    } catch (error) {
      if (this.pc.peek() !== pc) return;
      // No answer at all: the network is still away, and so is the session's path; its own time limit decides.
      if (error instanceof ApiError && error.code === "network") return;
      // The server knows it no more (it started anew, or reaped it): nothing is left to delete.
      if (error instanceof ApiError && (error.status === 404 || error.status === 410)) this.resource = "";
      this.feed({ kind: "restart_refused" });
    }
  }

  private watch(pc: RTCPeerConnection): void {
    if (this.pc.peek() !== pc) return;
    const state = pc.iceConnectionState;
    if (state === "connected" || state === "completed") this.feed({ kind: "connected" });
    else if (state === "disconnected") this.feed({ kind: "disconnected" });
    else if (state === "failed") this.feed({ kind: "failed" });
  }

  private drop(): void {
    const pc = this.pc.peek();
    this.pc.value = null;
    this.id.value = "";
    if (pc !== null) {
      pc.oniceconnectionstatechange = null;
      pc.close();
    }
    if (this.resource !== "") void this.remove(this.resource);
    this.resource = "";
  }

  private async remove(resource: string): Promise<void> {
    try {
      await request(resource, this.purpose.token(), { method: "DELETE", keepalive: true });
    } catch {
      // Gone already, or unreachable: the server reaps it after 30 s of silence.
    }
  }

  /** The page goes away: free the server's session now rather than after 30 s. A page that comes back from the browser's
   *  cache finds its session gone and makes a new one. */
  private leave(): void {
    if (this.resource !== "") void this.remove(this.resource);
  }
}

/** How long the error says to wait; unknown endpoints and refusals wait the usual pause. */
function retryAfterMs(error: unknown): number {
  // The server is full (503) or we are too fast (429): it said so in Retry-After, of which two seconds is the usual value.
  return error instanceof ApiError && (error.status === 503 || error.status === 429) ? 2_000 : 0;
}
