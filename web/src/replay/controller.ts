/** Plays one replay: the main picture, the clips slaved to its clock, speed, volume, and where the viewer stopped. Holds
 * the state as signals and draws nothing. */

import { batch, signal } from "@preact/signals";
import type { Replay } from "../lib/api";
import { recall, remember } from "../lib/storage";
import { Feed } from "./feed";
import { type Connection, lightFrom, nextSpeed, placeIn, speedFrom, withPlace } from "./memory";
import { sameList } from "./model";
import { FRESH, LIVE_EDGE_S, type SyncState, isNear, isOn, liveTarget, possibleRate, steer } from "./sync";

export type Clip = Replay["clips"][number];

/** How often clips are kept in step and the time is drawn. */
const TICK_MS = 100;
/** How often the place is kept. */
const KEEP_PLACE_MS = 5000;
/** Waiting shorter than this is not worth a word. */
const WAIT_SAID_MS = 600;
/** Data fetched ahead of a clip: less than for the lesson itself, which goes first. */
const CLIP_AHEAD_S = 15;
/** Sound alone is fetched further ahead: half a megabyte that carries a viewer through two minutes without network. */
const LIGHT_AHEAD_S = 120;
/** A nudge smaller than this is not worth touching the element. */
const RATE_STEP = 0.004;

/** Standing still this near to the end is having played to the end. */
const END_S = 0.3;

interface Screen {
  readonly video: HTMLVideoElement;
  readonly feed: Feed;
  state: SyncState;
  /** Whether a picture has been decoded, so that it can take the stage. */
  shown: boolean;
}

export class Controller {
  readonly position_s = signal(0);
  readonly end_s = signal(0);
  readonly buffered = signal<readonly (readonly [from_s: number, to_s: number])[]>([]);
  /** Whether the viewer wants it to play; it may be waiting for data all the same. */
  readonly playing = signal(false);
  readonly begun = signal(false);
  readonly finished = signal(false);
  /** Since when it has been waiting for data (milliseconds of `performance.now`), or null. */
  readonly waitingSince = signal<number | null>(null);
  readonly trouble = signal(false);
  readonly speed = signal(speedFrom(recall("replay.speed")));
  readonly volume = signal(volumeFrom(recall("replay.volume")));
  readonly muted = signal(false);
  /** Whether the light replay is played: sound alone, everyone's mixed, so that no clip is fetched. The stage is free. */
  readonly light = signal(false);
  /** Whether the film of the main picture has a picture: a lesson may be sound alone. */
  readonly pictured = signal(true);
  /** Ids of the clips that are on now and have a picture. */
  readonly on = signal<readonly string[]>([]);
  /** Ids of the clips whose elements should exist. */
  readonly near = signal<readonly string[]>([]);
  readonly replay;
  /** Where this viewer stopped the last time; 0: from the beginning. */
  readonly resumed_s: number;

  private main: { video: HTMLVideoElement; feed: Feed } | null = null;
  private readonly screens = new Map<string, Screen>();
  private readonly ticking = setInterval(() => this.tick(), TICK_MS);
  private readonly keeping = setInterval(() => this.keepPlace(), KEEP_PLACE_MS);
  private stalledAt: number | null = null;
  private lastTime = -1;
  private dragging = false;

  /**
   * @param renew asks the API again, for fresh URLs; null when it gives none now
   */
  constructor(
    first: Replay,
    private readonly renew: () => Promise<Replay | null>,
  ) {
    this.replay = signal(first);
    this.resumed_s = placeIn(recall("replay.places"), first.lesson.id);
    this.position_s.value = this.resumed_s;
    this.end_s.value = first.recording.duration_s;
    const { connection } = navigator as Navigator & { connection?: Connection };
    this.light.value = first.light !== null && lightFrom(recall("replay.light"), connection);
    this.near.value = this.nearNow();
  }

  /** The latest answer of the API: clips and parts may have come. */
  update(replay: Replay): void {
    this.replay.value = replay;
  }

  /** Take the element of the main picture; returns how to give it back. */
  attachMain(video: HTMLVideoElement): () => void {
    this.main = { video, feed: this.feedMain(video) };
    this.applyVolume();
    video.addEventListener("ended", this.onEnded);
    return () => {
      video.removeEventListener("ended", this.onEnded);
      this.main?.feed.close();
      this.main = null;
    };
  }

  /** Fill the main element with the rendition that is chosen, from the present place on. */
  private feedMain(video: HTMLVideoElement): Feed {
    const rendition = this.light.peek() ? "light" : "main";
    return new Feed({
      video,
      url: this.replay.peek()[rendition]?.url ?? "",
      start_s: this.position_s.peek(),
      renew: async () => (await this.renew())?.[rendition]?.url ?? null,
      onTrouble: (trouble) => (this.trouble.value = trouble),
      onEnd: (end_s) => (this.end_s.value = end_s),
      ...(rendition === "light" ? { ahead_s: LIGHT_AHEAD_S } : {}),
    });
  }

  /** Change to the light replay or back, at the same place, and remember the choice. Called from a press. */
  setLight(light: boolean): void {
    if (light === this.light.peek() || (light && this.replay.peek().light === null)) return;
    remember("replay.light", light ? "on" : "off");
    batch(() => {
      this.light.value = light;
      this.near.value = this.nearNow();
    });
    this.stalledAt = null;
    this.lastTime = -1;
    if (this.main === null) return;
    const { video, feed } = this.main;
    feed.close();
    this.main = { video, feed: this.feedMain(video) };
    if (this.playing.peek()) this.start(video);
  }

  /** Take the element of a clip; returns how to give it back. */
  attachClip(clip: Clip, video: HTMLVideoElement): () => void {
    const feed = new Feed({
      video,
      url: clip.url,
      start_s: Math.max(0, this.position_s.peek() - clip.starts_at_s),
      renew: async () => (await this.renew())?.clips.find((one) => one.id === clip.id)?.url ?? null,
      onTrouble: () => undefined,
      ahead_s: CLIP_AHEAD_S,
    });
    this.screens.set(clip.id, { video, feed, state: FRESH, shown: false });
    this.applyVolume();
    return () => {
      this.screens.delete(clip.id);
      feed.close();
    };
  }

  /** Play or pause. Called from a press, so sound is allowed. */
  toggle(): void {
    if (this.playing.peek()) this.pause();
    else this.play();
  }

  play(): void {
    if (this.finished.peek()) this.seek(0);
    batch(() => {
      this.playing.value = true;
      this.begun.value = true;
      this.finished.value = false;
    });
    // Started inside the press, or the browser refuses sound: the clips too.
    this.start(this.main?.video);
    for (const clip of this.replay.peek().clips) {
      if (isOn(clip, this.position_s.peek())) this.start(this.screens.get(clip.id)?.video);
    }
  }

  pause(): void {
    this.playing.value = false;
    this.main?.video.pause();
    this.tick();
    this.keepPlace();
  }

  private start(video: HTMLVideoElement | undefined): void {
    video?.play().catch((problem: unknown) => {
      // The browser wants a press first (a page that was reloaded): show the button again.
      if (problem instanceof DOMException && problem.name === "NotAllowedError") this.playing.value = false;
    });
  }

  /** Jump to a second of the replay; bounded by what there is. */
  seek(to_s: number): void {
    const at_s = Math.max(0, Math.min(to_s, Math.max(0, this.end_s.peek() - 0.2)));
    batch(() => {
      this.position_s.value = at_s;
      this.finished.value = false;
    });
    if (this.main !== null) this.main.video.currentTime = at_s;
    this.stalledAt = null;
    this.lastTime = -1;
    this.tick();
    this.keepPlace();
  }

  skip(by_s: number): void {
    this.seek(this.position_s.peek() + by_s);
  }

  /** While a finger is on the seek bar the time shown is the finger's. */
  drag(to_s: number | null): void {
    this.dragging = to_s !== null;
    if (to_s !== null) this.position_s.value = Math.max(0, Math.min(to_s, this.end_s.peek()));
  }

  get isDragged(): boolean {
    return this.dragging;
  }

  /** The second that is played now, finer than `position_s`. */
  now_s(): number {
    const { main } = this;
    const there = main !== null && !this.dragging && main.video.readyState > 0 && !main.video.seeking && main.feed.inPlace;
    return there ? main.video.currentTime : this.position_s.peek();
  }

  /** Whether the sound is heard to go on just now: neither paused nor waiting for data. */
  get isRunning(): boolean {
    const video = this.main?.video;
    return video !== undefined && this.playing.peek() && !video.paused && !video.seeking && video.readyState >= 3;
  }

  get live(): boolean {
    return this.replay.value.lesson.state === "live" && this.replay.value.recording.state === "recording";
  }

  get atLiveEdge(): boolean {
    return this.live && this.end_s.value - this.position_s.value < LIVE_EDGE_S;
  }

  toLive(): void {
    this.seek(liveTarget(this.end_s.peek()));
    this.play();
  }

  setSpeed(speed: number): void {
    this.speed.value = speed;
    remember("replay.speed", String(speed));
    this.tick();
  }

  changeSpeed(direction: 1 | -1): void {
    this.setSpeed(nextSpeed(this.speed.peek(), direction));
  }

  setVolume(volume: number): void {
    this.volume.value = Math.max(0, Math.min(1, volume));
    this.muted.value = this.volume.peek() === 0;
    remember("replay.volume", String(this.volume.peek()));
    this.applyVolume();
  }

  toggleMute(): void {
    if (this.volume.peek() === 0) this.volume.value = 0.5;
    this.muted.value = !this.muted.peek();
    this.applyVolume();
  }

  private applyVolume(): void {
    for (const video of this.videos()) {
      video.volume = this.volume.peek();
      video.muted = this.muted.peek();
    }
  }

  private videos(): readonly HTMLVideoElement[] {
    const clips = Array.from(this.screens.values(), (screen) => screen.video);
    return this.main === null ? clips : [this.main.video, ...clips];
  }

  /** Keep where the viewer is, for the next visit. */
  keepPlace(): void {
    if (!this.begun.peek() || this.dragging) return;
    const { id } = this.replay.peek().lesson;
    const places = recall("replay.places");
    const live = this.replay.peek().lesson.state !== "ended";
    remember("replay.places", withPlace(places, id, this.position_s.peek(), this.end_s.peek(), live, Date.now()));
  }

  close(): void {
    clearInterval(this.ticking);
    clearInterval(this.keeping);
    this.keepPlace();
  }

  private readonly onEnded = (): void => {
    if (this.live) return;
    batch(() => {
      this.playing.value = false;
      this.finished.value = true;
    });
    this.keepPlace();
  };

  private nearNow(): readonly string[] {
    const at_s = this.position_s.peek();
    const clips = this.light.peek() ? [] : this.replay.peek().clips;
    return sameList(
      this.near.peek(),
      clips.filter((clip) => isNear(clip, at_s)).map((clip) => clip.id),
    );
  }

  /** One turn: read the main picture, correct speed and clips, and publish what is drawn. */
  private tick(): void {
    if (this.main === null) return;
    const { video, feed } = this.main;
    const now_ms = performance.now();
    const wants = this.playing.peek();
    if (wants && video.paused && video.readyState > 0 && !video.ended) this.start(video);
    const rate = possibleRate(this.speed.peek(), video.currentTime, this.end_s.peek(), this.live);
    keepPitch(video);
    if (video.playbackRate !== rate) video.playbackRate = rate;
    const running = this.isRunning;
    this.noticeStall(video, wants, now_ms);
    batch(() => {
      if (!this.dragging && video.readyState > 0 && feed.inPlace) this.position_s.value = video.currentTime;
      if (video.readyState >= 1) this.pictured.value = video.videoWidth > 0;
      this.buffered.value = sameRanges(this.buffered.peek(), ranges(video));
      this.near.value = this.nearNow();
      this.on.value = sameList(this.on.peek(), this.steerClips({ position_s: video.currentTime, running, rate }, now_ms));
    });
  }

  private noticeStall(video: HTMLVideoElement, wants: boolean, now_ms: number): void {
    const stands = video.currentTime === this.lastTime;
    this.lastTime = video.currentTime;
    if (!wants || !stands || video.ended) this.stalledAt = null;
    else this.stalledAt ??= now_ms;
    // A recording that stopped before its lesson (disk full) may have no end in its playlist.
    if (this.stalledAt !== null && !this.live && video.currentTime > this.end_s.peek() - END_S) this.onEnded();
    const since = this.stalledAt;
    this.waitingSince.value = since !== null && now_ms - since >= WAIT_SAID_MS ? since : null;
  }

  private steerClips(main: { position_s: number; running: boolean; rate: number }, now_ms: number): readonly string[] {
    const on: string[] = [];
    for (const clip of this.replay.peek().clips) {
      const screen = this.screens.get(clip.id);
      if (screen === undefined) continue;
      const { video, feed } = screen;
      keepPitch(video);
      const next = steer(
        clip,
        main,
        {
          position_s: video.currentTime,
          available_s: feed.available_s,
          seeking: video.seeking,
          hasData: video.readyState >= 3,
        },
        screen.state,
        clip.kind !== "screen",
        now_ms / 1000,
      );
      screen.state = next.state;
      if (video.readyState > 0) {
        if (next.seek_s !== null) video.currentTime = next.seek_s;
        if (Math.abs(video.playbackRate - next.rate) > RATE_STEP) video.playbackRate = next.rate;
        if (next.play && video.paused && !video.ended) this.start(video);
        if (!next.play && !video.paused) video.pause();
      }
      screen.shown ||= video.readyState >= 2;
      if (screen.shown && isOn(clip, main.position_s)) on.push(clip.id);
    }
    return on;
  }
}

/** Speech at another speed keeps its pitch; older browsers call the switch by their own names. */
function keepPitch(video: HTMLVideoElement): void {
  const any = video as HTMLVideoElement & { mozPreservesPitch?: boolean; webkitPreservesPitch?: boolean };
  if (any.preservesPitch === false) any.preservesPitch = true;
  if (any.mozPreservesPitch === false) any.mozPreservesPitch = true;
  if (any.webkitPreservesPitch === false) any.webkitPreservesPitch = true;
}

function ranges(video: HTMLVideoElement): readonly (readonly [number, number])[] {
  const { buffered } = video;
  return Array.from({ length: buffered.length }, (_, i) => [buffered.start(i), buffered.end(i)] as const);
}

/** The same list object for the same ranges, so that a paused page draws nothing. */
function sameRanges(
  old: readonly (readonly [number, number])[],
  next: readonly (readonly [number, number])[],
): readonly (readonly [number, number])[] {
  const same = old.length === next.length && old.every((one, i) => one[0] === next[i]?.[0] && one[1] === next[i]?.[1]);
  return same ? old : next;
}

function volumeFrom(stored: string | null): number {
  const volume = Number(stored ?? "1");
  return Number.isFinite(volume) && volume > 0 && volume <= 1 ? volume : 1;
}
