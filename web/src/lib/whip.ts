/** Publishing: one session with a transceiver for each kind of source. Tracks go in and out by `replaceTrack`, so turning a
 * camera on, changing a microphone or sharing a screen needs no new offer; layers rest and wake by `setParameters`.
 *
 * What is sent is what the person switched on, of that what the server wants (`LayersWanted`), of that what the link
 * allows (`uplink`). This module moves tracks, parameters and timers; the rules stand in `encodings` and `uplink`.
 */

import { computed, signal } from "@preact/signals";
import type { IceServer, LayersWanted, SourceKind } from "../generated/messages";
import { browserOf } from "./devices";
import { ALL_ALLOWED, attempts, type Budget, type Budgets, type Line, LINES, shapes, type Wanted } from "./encodings";
import { MediaSession } from "./media-session";
import { preferredCodecs } from "./sdp";
import { sendsStereo } from "./sdp-sound";
import { Tuner } from "./tuner";
import { allowed, UPLINK, uplinkStep } from "./uplink";
import type { ModePlan } from "./modes";
import { onTheWire, SOUND, soundStep } from "./uplink-sound";
import { availableBps } from "./uplink-stats";

export { CLASSROOM_BUDGETS, TEACHER_BUDGETS } from "./encodings";

/** How often the link is looked at: four looks before a picture goes. */
const LOOK_EVERY_MS = 1_000;

export class Publisher {
  readonly session: MediaSession;
  /** What the link allows, step by step; the words come from `rest`. */
  readonly uplink = signal(UPLINK);
  /** The camera rests because the link is too thin: the lesson should be told that none is sent. */
  readonly cameraRests = computed(() => this.uplink.value.rest !== "none");
  readonly screenRests = computed(() => this.uplink.value.rest === "pictures");
  /** What the browser believes the link to carry, bits per second; null while not known. */
  readonly availableBps = signal<number | null>(null);

  private readonly tracks: Partial<Record<SourceKind, MediaStreamTrack | null>> = {};
  private senders: Partial<Record<Line, RTCRtpSender>> = {};
  private tuners: Tuner[] = [];
  private wanted: Wanted = {};
  private timer = 0;
  /** The kind of lesson; null is plain speech. */
  private plan: ModePlan | null = null;
  private sound = SOUND;

  constructor(
    url: () => string,
    token: () => string,
    private readonly budgets: Budgets,
    iceServers: () => readonly IceServer[] = () => [],
  ) {
    this.session = new MediaSession({
      url,
      token,
      iceServers,
      // The server is told, and so answers, what is sent; changes within a session are the browser's alone.
      posted: (offer) => sendsStereo(offer, this.stereoBps()),
      accepted: (answer) => sendsStereo(answer, this.stereoBps()),
      prepare: (pc) => this.prepare(pc),
      answered: () => this.answered(),
    });
  }

  /** Send `track` as `kind` from now on; null sends nothing. The track stays the caller's to stop. */
  setTrack(kind: SourceKind, track: MediaStreamTrack | null): void {
    this.tracks[kind] = track;
    hint(kind, track, this.plan);
    this.place(kind, track);
    if (kind === "microphone") this.place("thin", this.thinWanted() ? track : null);
    this.tune();
  }

  /** Send as this kind of lesson wants it from now on, in the same session. Capturing so is the caller's. */
  applyMode(plan: ModePlan): void {
    const stereo = this.plan?.stereo ?? false;
    this.plan = plan;
    this.sound = SOUND;
    for (const kind of ["microphone", "camera"] as const) hint(kind, this.tracks[kind] ?? null, plan);
    this.tune();
    if (plan.stereo !== stereo) void this.session.acceptAgain();
  }

  /** The capture of a camera has changed its size. */
  resized(): void {
    this.tune();
  }

  private stereoBps(): number | null {
    return this.plan?.stereo === true ? this.plan.soundBps[0] : null;
  }

  private budgetOf(line: Line): Budget | undefined {
    const own = this.budgets[line];
    if (own === undefined || this.plan === null) return own;
    if (line === "camera") return this.plan.camera;
    return line === "microphone" ? { bitsPerSecond: this.plan.soundBps[this.sound.place] ?? own.bitsPerSecond } : own;
  }

  /** The server says which layers of a source somebody takes; what rests wakes at once when it is wanted. */
  layersWanted({ kind, layers }: LayersWanted): void {
    this.wanted = { ...this.wanted, [kind]: layers };
    if (kind === "microphone") this.place("thin", this.thinWanted() ? (this.tracks.microphone ?? null) : null);
    this.tune();
  }

  private thinWanted(): boolean {
    return (this.wanted.microphone ?? []).indexOf("thin") >= 0;
  }

  private place(line: Line, track: MediaStreamTrack | null): void {
    const sender = this.senders[line];
    if (sender === undefined || sender.track === track) return;
    sender.replaceTrack(track).catch(() => {
      // The connection closed in between: the next session takes the track from `tracks`.
    });
  }

  private prepare(pc: RTCPeerConnection): void {
    this.senders = {};
    this.tuners = [];
    // What was wanted of the last session is over: all pictures are sent, and no thin voice, until the server says more.
    this.wanted = {};
    for (const line of LINES) {
      const budget = this.budgetOf(line);
      if (budget === undefined) continue;
      const track = line === "thin" ? null : (this.tracks[line] ?? null);
      const transceiver = addTransceiver(pc, line, budget, track);
      if (line === "camera" || line === "screen") preferCodecs(transceiver);
      this.senders[line] = transceiver.sender;
    }
    this.look(pc);
  }

  private answered(): void {
    for (const line of LINES) {
      const sender = this.senders[line];
      const given = this.budgets[line];
      if (sender === undefined || given === undefined) continue;
      const budget = (): Budget => this.budgetOf(line) ?? given;
      if (line === "camera" || line === "screen") {
        const keep = (): RTCDegradationPreference | undefined => (line === "camera" ? this.plan?.keep : undefined);
        this.tuners.push(new Tuner(sender, (rids) => this.shapesOf(line, budget(), rids), keep));
      } else {
        this.tuners.push(new Tuner(sender, (rids) => rids.map(() => ({ active: true, maxBitrate: this.soundBps(budget()) }))));
      }
    }
    this.tune();
  }

  private soundBps(budget: Budget): number {
    return Math.min(budget.bitsPerSecond, allowed(this.uplink.peek()).voiceBps ?? budget.bitsPerSecond);
  }

  private shapesOf(line: "camera" | "screen", budget: Budget, rids: readonly string[]): ReturnType<typeof shapes> {
    const height = this.tracks[line]?.getSettings().height ?? 0;
    const may = allowed(this.uplink.peek());
    const link = budget.stepped === true ? may : { ...may, cameraBps: ALL_ALLOWED.cameraBps };
    return shapes(line, budget, rids, height, this.wanted[line] ?? null, link);
  }

  private tune(): void {
    for (const tuner of this.tuners) tuner.tune();
  }

  /** Look at the link for as long as this connection is the session's. */
  private look(pc: RTCPeerConnection): void {
    clearInterval(this.timer);
    this.timer = setInterval(() => {
      if (this.session.pc.peek() === pc) void this.judge(pc);
      else clearInterval(this.timer);
    }, LOOK_EVERY_MS);
  }

  private async judge(pc: RTCPeerConnection): Promise<void> {
    if (this.session.phase.peek() !== "up") return;
    try {
      const bps = availableBps(await pc.getStats());
      if (this.session.pc.peek() !== pc) return;
      this.availableBps.value = bps;
      const rates = this.plan?.soundBps ?? [];
      if (rates.length > 1) this.sound = soundStep(this.sound, rates, performance.now(), bps);
      this.uplink.value = uplinkStep(this.uplink.peek(), {
        atMs: performance.now(),
        availableBps: bps,
        soundBps: rates.length > 1 ? onTheWire(rates[this.sound.place] ?? 0) : undefined,
        camera: (this.tracks.camera ?? null) !== null && this.takes("camera"),
        screen: (this.tracks.screen ?? null) !== null && this.takes("screen"),
      });
      this.tune();
    } catch {
      // The connection closed while it was read; the next round reads the next one.
    }
  }

  private takes(kind: SourceKind): boolean {
    const layers = this.wanted[kind];
    return layers === undefined || layers.length > 0;
  }
}

/** The best encodings that this browser takes: each refusal falls back to something plainer. */
function addTransceiver(pc: RTCPeerConnection, line: Line, budget: Budget, track: MediaStreamTrack | null): RTCRtpTransceiver {
  const media = line === "microphone" || line === "thin" ? "audio" : "video";
  const height = track?.getSettings().height ?? 0;
  // Firefox sends H264 in one layer whatever it says, and Safari's layers differ by version: one good picture is sure.
  const layers = browserOf(navigator.userAgent) === "chromium";
  for (const sendEncodings of attempts(line, budget, height, layers)) {
    try {
      return pc.addTransceiver(track ?? media, { direction: "sendonly", sendEncodings });
    } catch {
      // Refused (an unknown mode, too many encodings): the next one is plainer.
    }
  }
  return pc.addTransceiver(track ?? media, { direction: "sendonly" });
}

function preferCodecs(transceiver: RTCRtpTransceiver): void {
  const known = typeof RTCRtpSender.getCapabilities === "function" ? RTCRtpSender.getCapabilities("video") : null;
  if (known === null || typeof transceiver.setCodecPreferences !== "function") return;
  try {
    transceiver.setCodecPreferences(preferredCodecs(known.codecs));
  } catch {
    // The browser's own order will do.
  }
}

/** Tell the encoder what it looks at: a screen must stay sharp, a camera must stay fluent, unless the lesson is of a kind
 *  that wants it otherwise. */
function hint(kind: SourceKind, track: MediaStreamTrack | null, plan: ModePlan | null): void {
  if (track === null || !("contentHint" in track)) return;
  if (kind === "microphone") track.contentHint = plan?.stereo === true ? "music" : "speech";
  else track.contentHint = kind === "screen" ? "detail" : (plan?.hint ?? "motion");
}
