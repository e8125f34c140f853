/** What this room hears: the live sound, as deep as the link asks for, or the recording of what it missed. It moves
 * measurements and orders between the rules (`catchup`, `playout`) and the browser; it decides nothing itself. */

import { batch, computed, effect, signal } from "@preact/signals";
import { begun, type CatchUp, jumped, mark, type Phase, type Seen, step, WORTH_MS } from "../lib/catchup";
import { KEEP_EVERY_MS, keepHeard, recallHeard } from "../lib/catchup-heard";
import { between, type Look, NOTHING, read, type Reading, signs } from "../lib/catchup-look";
import { listens, type Orders, orders } from "../lib/catchup-orders";
import { CatchUpPlayer } from "../lib/catchup-player";
import { canCatchUp } from "../lib/catchup-stream";
import type { LivePage } from "../lib/live-page";
import type { Meter } from "../lib/meter";
import { type Depth, deepened, JUDGED_FROM_MS, mustFlush, START, WARM_UP_FOR_MS, WARM_UP_MS } from "../lib/playout";
import { applyTarget } from "../lib/playout-apply";
import { recall, remember } from "../lib/storage";
import { watched } from "../lib/stats";

const LOOK_EVERY_MS = 250;
/** How often the depth of the jitter buffer is judged. */
const JUDGE_EVERY_MS = 2_000;
/** A microphone that is closed sends a packet now and then; without any for so long, nobody is heard. */
const LAG_HOLDS_MS = 3_000;
/** A room that cannot play the recording is told for so long where it finds what it missed. */
const TOLD_FOR_MS = 20_000;

export interface HearingPorts {
  /** Somebody's sound should arrive. */
  readonly expected: () => boolean;
  readonly called: () => boolean;
}

export class Hearing {
  readonly phase = signal<Phase>("live");
  /** How far the room is behind, whole seconds; null: live. */
  readonly behindS = signal<number | null>(null);
  /** Sound comes from the recording now. */
  readonly playsRecording = signal(false);
  /** The sound is lost and will be heard from the recording; since when, on the steady clock; null otherwise. */
  readonly lostSinceMs = signal<number | null>(null);
  /** It would, and nothing more of it arrives. */
  readonly stalled = signal(false);
  readonly watchLive = signal(true);
  /** No live picture is wanted: the recording needs the link. */
  readonly soundOnly = signal(false);
  /** Something was heard since the page was opened, or nothing was to be heard. */
  readonly begun = signal(false);
  /** Something was missed just now that this browser cannot play: the replay has it. */
  readonly inReplay = signal(false);
  /** The lesson is over, and the room still hears what it missed of it, or waits for that. */
  readonly finishing = computed(() => this.page.lessonState.value === "ended" && this.phase.value !== "live");
  readonly player: CatchUpPlayer;
  /** What of the recording is in sight now, if anything. */
  readonly picture = computed(() => this.player.picture.value);

  private state: CatchUp;
  private orders: Orders | null = null;
  private reading: Reading | null = null;
  private look: Look = NOTHING;
  private depth: Depth = START;
  private made = { played: 0, concealed: 0 };
  private judgedAtMs = 0;
  private keptAtMs = 0;
  private targetMs = -1;
  private targetSeats: unknown = null;
  /** Since when the seats of this session get sound. */
  private flowing: { readonly seats: unknown; readonly sinceMs: number } | null = null;
  private calledSinceMs: number | null = null;
  private flushed = false;
  private jumpWanted = false;
  private looking = false;
  /** When anything came from the server last, on the steady clock, and what had come over the connection by then. */
  private lifeAtMs = -Infinity;
  private signs = 0;
  private lag = { ms: 0, atMs: -Infinity };
  /** The page was refused: when it is let in again, it asks anew what the room has heard, perhaps by another window. */
  private refused = false;
  /** The media token was not taken; the link itself may still open the door. */
  private deniedToken = "";
  private toldUntilMs = 0;

  constructor(
    private readonly page: LivePage,
    private readonly ports: HearingPorts,
    private readonly meter: Meter,
  ) {
    this.player = new CatchUpPlayer({
      url: () => page.signalling.access.peek()?.catchupUrl ?? "",
      token: () => (page.token() === this.deniedToken ? page.link.token : page.token()),
      denied: (token) => {
        this.deniedToken = token;
        return token !== page.link.token;
      },
      received: (bytes) => meter.add(bytes),
      reached: () => this.reached(),
    });
    this.state = begun(null, performance.now());
    effect(() => this.player.setVolume(page.sound.volume.value));
    effect(() => this.player.setSpeaker(page.sound.speaker.value));
    page.signalling.listen((message) => {
      if (message.type === "jump_now") this.jump();
    });
  }

  /** Go on from what this room heard last, if that is known. */
  start(): void {
    void recallHeard(this.page.link.lesson, () => this.keptOffset()).then((heardMs) => {
      this.state = begun(heardMs, performance.now());
      setInterval(() => void this.beat(), LOOK_EVERY_MS);
    });
  }

  /** Skip what was missed. */
  jump(): void {
    this.jumpWanted = true;
  }

  /** The depth that is asked of the live sound now, ms. */
  get target(): number {
    return this.targetMs;
  }

  /** What is heard live now has waited so long in the buffer, ms; 0: nothing live is heard. */
  get lagMs(): number {
    if (this.playsRecording.peek() || performance.now() - this.lag.atMs > LAG_HOLDS_MS) return 0;
    return this.lag.ms;
  }

  private keptOffset(): number | null {
    const view = this.page.view.peek();
    if (view !== null) return view.clockOffsetMs;
    const offset = Number(recall("clock") ?? "0");
    return Number.isFinite(offset) ? offset : 0;
  }

  /** The recording was answered: the network is there, so nothing needs to wait for its own next try. */
  private reached(): void {
    const { session } = this.page.subscriber;
    const phase = session.phase.peek();
    if (phase === "waiting" || phase === "shaky") session.hurry();
    this.page.signalling.reachable();
  }

  private async beat(): Promise<void> {
    if (this.looking) return;
    const { page } = this;
    // Until the greeting, the reason why the page was refused still holds.
    const refused = page.signalling.reason.peek() !== "";
    const heard = this.state.heardMs !== null || this.refused;
    if (!listens({ left: page.left.peek(), refused, lesson: page.lessonState.peek(), heard })) {
      this.refused = this.refused || refused;
      this.rest();
      return;
    }
    this.looking = true;
    try {
      if (this.refused) await this.resume();
      await this.takeLook();
    } catch {
      // The connection closed while it was read.
      this.look = NOTHING;
    } finally {
      this.looking = false;
    }
    this.advance();
  }

  private async resume(): Promise<void> {
    this.refused = false;
    this.state = begun(await recallHeard(this.page.link.lesson, () => this.keptOffset()), performance.now());
  }

  private rest(): void {
    if (this.orders === null) return;
    this.state = begun(null, performance.now());
    this.player.want(null);
    this.orders = null;
    this.phase.value = "live";
    this.behindS.value = null;
    this.playsRecording.value = false;
    this.stalled.value = false;
    this.lostSinceMs.value = null;
    this.inReplay.value = false;
    this.watchLive.value = true;
    this.soundOnly.value = false;
    this.page.sound.quiet.value = false;
  }

  private async takeLook(): Promise<void> {
    const { page } = this;
    const pc = page.subscriber.session.pc.peek();
    const teachers = (page.view.peek()?.participants ?? []).filter((one) => one.role === "teacher");
    const mid = watched(page.slots.peek(), teachers).sound;
    const seat = page.subscriber.seats.peek().find((one) => one.mid === mid);
    if (pc === null || seat === undefined || mid === null) {
      this.reading = null;
      this.look = NOTHING;
      this.noteSigns(pc === null ? 0 : await signs(pc));
      return;
    }
    const silent = this.look.packets === 0;
    const reading = await read(pc, seat, page.subscriber.session.id.peek(), silent);
    this.look = between(this.reading, reading);
    this.reading = reading;
    if (reading.signs !== null) this.noteSigns(reading.signs);
    if (this.look.packets > 0) this.lifeAtMs = performance.now();
    if (this.look.delayMs !== null && this.look.packets > 0) this.lag = { ms: this.look.delayMs, atMs: performance.now() };
  }

  /** A new connection counts anew. */
  private noteSigns(signs: number): void {
    if (signs > this.signs) this.lifeAtMs = performance.now();
    this.signs = signs;
  }

  private seen(): Seen {
    const { page, look } = this;
    const rung = page.view.peek()?.link?.rung ?? "";
    return {
      nowMs: performance.now(),
      wallMs: Date.now() + (this.keptOffset() ?? 0),
      expected: this.ports.expected() || page.view.peek() === null,
      packets: look.packets,
      concealed: look.concealed,
      delayMs: look.delayMs,
      playsMs: look.playsMs,
      alive: look.alive && rung !== "reconnecting",
      lifeAtMs: Math.max(this.lifeAtMs, page.signalling.heardAtMs ?? -Infinity),
      called: this.ports.called(),
      endedAtMs: page.lessonState.peek() === "ended" ? this.endedAtMs() : null,
      rung,
      recorded: this.player.recorded(),
    };
  }

  private advance(): void {
    const seen = this.seen();
    const before = this.state;
    this.state = this.jumpWanted ? jumped(this.state, seen) : step(this.state, seen);
    this.jumpWanted = false;
    if (this.state.opening !== before.opening) this.player.want(null);
    this.tell(before, seen);
    if (seen.endedAtMs !== null && this.state.phase === "live") {
      this.finish(seen.endedAtMs);
      return;
    }
    // The first packet after a silence is the sign that the link is back.
    if (before.phase === "lost" && before.flowsSinceMs === null && this.state.flowsSinceMs !== null) {
      this.player.hurry();
      this.page.signalling.back();
    }
    this.obey(seen);
    this.keep(seen);
    this.judge(seen);
  }

  private endedAtMs(): number {
    return this.page.view.peek()?.endedAtMs ?? Date.now() + (this.keptOffset() ?? 0);
  }

  /** The lesson is heard to its end, or as much of it as the room wants: that is kept too. */
  private finish(endedAtMs: number): void {
    if (this.orders !== null) keepHeard(this.page.link.lesson, endedAtMs, this.keptOffset() ?? 0);
    this.rest();
  }

  private tell(before: CatchUp, seen: Seen): void {
    const back = before.phase === "lost" && this.state.phase === "live" && before.heardMs !== null && this.state.heardMs !== null;
    const missedMs = back ? (this.state.heardMs ?? 0) - (before.heardMs ?? 0) : 0;
    if (missedMs > WORTH_MS && !canCatchUp() && seen.endedAtMs === null) this.toldUntilMs = seen.nowMs + TOLD_FOR_MS;
    this.inReplay.value = seen.nowMs < this.toldUntilMs;
  }

  private obey(seen: Seen): void {
    const now = orders(this.state, seen);
    this.orders = now;
    this.phase.value = this.state.phase;
    const lost = this.state.phase === "lost" && this.state.heardMs !== null && seen.recorded.trouble === "";
    this.lostSinceMs.value = lost ? this.state.goodAtMs : null;
    this.behindS.value = now.behindS === null ? null : Math.round(now.behindS);
    this.playsRecording.value = now.rate > 0;
    if (this.state.heardMs !== null && this.state.phase !== "lost") this.begun.value = true;
    this.stalled.value = now.rate > 0 && seen.recorded.aheadS < 0.1;
    batch(() => {
      this.watchLive.value = now.watchLive;
      this.soundOnly.value = now.soundOnly;
    });
    // The first sound has the link for itself while a page opens.
    if (this.page.settled.peek() || now.from === null) this.player.want(now.from);
    const wanted = this.meter.ceiling.peek() !== "sound";
    this.player.play(now.rate, { wanted, kbps: this.page.view.peek()?.link?.kbps ?? null });
    if (this.player.blocked.peek()) this.page.sound.blocked.value = true;
    this.page.sound.quiet.value = now.quiet;
  }

  private keep(seen: Seen): void {
    const heardMs = mark(this.state);
    if (heardMs === null || seen.nowMs - this.keptAtMs < KEEP_EVERY_MS) return;
    this.keptAtMs = seen.nowMs;
    const offset = this.keptOffset() ?? 0;
    keepHeard(this.page.link.lesson, heardMs, offset);
    remember("clock", String(Math.round(offset)));
  }

  /** How deep the live sound is buffered. */
  private judge(seen: Seen): void {
    if (seen.called) this.calledSinceMs ??= seen.nowMs;
    else {
      this.calledSinceMs = null;
      this.flushed = false;
    }
    const seats = this.page.subscriber.seats.peek();
    if (seen.packets > 0 && this.flowing?.seats !== seats) this.flowing = { seats, sinceMs: seen.nowMs };
    const flowsForMs = this.flowing?.seats === seats ? seen.nowMs - this.flowing.sinceMs : 0;
    if (seen.packets > 0 && this.state.phase === "live" && flowsForMs >= JUDGED_FROM_MS) {
      this.made = { played: this.made.played + 1, concealed: this.made.concealed + seen.concealed };
    }
    if (seen.nowMs - this.judgedAtMs >= JUDGE_EVERY_MS) {
      this.judgedAtMs = seen.nowMs;
      const { played, concealed } = this.made;
      this.made = { played: 0, concealed: 0 };
      const loss = this.page.view.peek()?.link?.loss_percent ?? null;
      if (!seen.called && played > 0) {
        this.depth = deepened(this.depth, {
          nowMs: seen.nowMs,
          jitterMs: this.look.jitterMs,
          rttMs: this.rttMs,
          loss: loss === null ? null : loss / 100,
          concealed: concealed / played,
        });
      }
    }
    const listenMs = flowsForMs < WARM_UP_FOR_MS ? WARM_UP_MS : this.depth.listenMs;
    this.ask(seen.called ? 0 : (this.orders?.targetMs ?? listenMs));
    if (this.calledSinceMs !== null && !this.flushed && mustFlush(seen.nowMs - this.calledSinceMs, seen.delayMs)) {
      this.flushed = true;
      void this.page.subscriber.session.flushSound();
    }
  }

  /** The round trip as last measured, for the depth; set by whoever samples the connection. */
  rttMs: number | null = null;

  private ask(targetMs: number): void {
    const seats = this.page.subscriber.seats.peek();
    if (targetMs === this.targetMs && seats === this.targetSeats) return;
    this.targetMs = targetMs;
    this.targetSeats = seats;
    applyTarget(seats, targetMs);
  }
}
