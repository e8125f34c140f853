/** Feeds one <video> from an HLS playlist, for as long as it takes: hls.js where the browser has Media Source Extensions,
 * the browser's own HLS elsewhere. Knows nothing of lessons, clips or time lines. */

import type Hls from "hls.js";
import { type Remedy, isExpired, retryMs, takesOver } from "./model";

type HlsModule = typeof import("hls.js/light");

let module: Promise<HlsModule> | null = null;

/** Whether hls.js can run here (it takes ManagedMediaSource of newer iPhones too). */
export function hasMediaSource(): boolean {
  return "MediaSource" in window || "ManagedMediaSource" in window;
}

/** Begin to fetch hls.js, which the page will need. A failed fetch is tried again at the next call. */
export function loadHls(): Promise<HlsModule> {
  module ??= import("hls.js/light").catch((problem: unknown) => {
    module = null;
    throw problem;
  });
  return module;
}

export interface FeedOptions {
  readonly video: HTMLVideoElement;
  /** The playlist's URL; it is signed and expires. */
  readonly url: string;
  readonly start_s: number;
  /** Another URL for the same playlist, for when this one has expired; null: none can be had now. */
  readonly renew: () => Promise<string | null>;
  /** Called when data stops coming, with true, and when it comes again, with false. */
  readonly onTrouble: (trouble: boolean) => void;
  /** Called when the seconds that can be played have changed. */
  readonly onEnd?: (end_s: number) => void;
  /** Seconds fetched ahead. */
  readonly ahead_s?: number;
}

export class Feed {
  private hls: Hls | null = null;
  private closed = false;
  private failures = 0;
  private mediaFailures = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** What is due or under way against a failure; until it is done, further errors tell nothing new. */
  private remedy: Remedy | null = null;
  private url: string;
  /** Where to play from when opened again: an element that is being filled anew says 0. */
  private place_s: number;
  /** Whether the element has come to that place since it was opened. */
  private placed = false;
  private end_s = 0;

  constructor(private readonly options: FeedOptions) {
    this.url = options.url;
    this.place_s = options.start_s;
    void this.open();
  }

  /** How much can be played, in seconds from the playlist's start. */
  get available_s(): number {
    return this.end_s;
  }

  /** Whether the element has come to where it was to begin: until then its time says nothing. */
  get inPlace(): boolean {
    return this.placed && (this.place_s < 1 || this.options.video.currentTime > 0);
  }

  /** Stop and let the element go. */
  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.drop();
    const { video } = this.options;
    video.removeAttribute("src");
    video.load();
  }

  private drop(): void {
    this.hls?.destroy();
    this.hls = null;
    this.options.video.onerror = null;
    this.options.video.onloadedmetadata = null;
    this.options.video.ondurationchange = null;
    this.options.video.onprogress = null;
  }

  private async open(): Promise<void> {
    this.remedy = null;
    this.placed = false;
    if (!hasMediaSource()) {
      this.openNative();
      return;
    }
    let loaded: HlsModule;
    try {
      loaded = await loadHls();
    } catch {
      this.later("reopen", () => this.open());
      return;
    }
    if (this.closed) return;
    const { default: Player, Events } = loaded;
    const hls = new Player({
      // A worker would come from a blob: URL, which the page's policy forbids; fragments need no remuxing anyway.
      enableWorker: false,
      startPosition: this.place_s,
      maxBufferLength: this.options.ahead_s ?? 30,
      maxMaxBufferLength: this.options.ahead_s ?? 30,
      // Old school computers have 2 GB of memory.
      maxBufferSize: 24 * 1024 * 1024,
      backBufferLength: 60,
      lowLatencyMode: false,
    });
    this.hls = hls;
    hls.on(Events.LEVEL_UPDATED, (_, { details }) => this.reach(details.edge));
    hls.on(Events.LEVEL_LOADED, () => this.options.onTrouble(false));
    hls.on(Events.FRAG_BUFFERED, () => {
      this.mediaFailures = 0;
      this.placed = true;
      this.healthy();
    });
    hls.on(Events.ERROR, (_, error) => {
      const network = error.type === "networkError";
      if (network) this.options.onTrouble(true);
      if (network && isExpired(error.response?.code ?? 0)) this.reopenLater();
      else if (!error.fatal) return;
      else if (!network) this.mendMedia();
      else if (hls.levels.length === 0) this.reopenLater();
      else this.later("load", () => this.load());
    });
    hls.loadSource(this.url);
    hls.attachMedia(this.options.video);
  }

  private openNative(): void {
    const { video } = this.options;
    video.src = this.url;
    video.onloadedmetadata = () => {
      video.onloadedmetadata = null;
      if (this.place_s > 0) video.currentTime = this.place_s;
      this.placed = true;
    };
    video.ondurationchange = video.onprogress = () => {
      const { seekable } = video;
      if (seekable.length > 0) this.reach(seekable.end(seekable.length - 1));
      this.healthy();
    };
    video.onerror = () => {
      this.options.onTrouble(true);
      this.reopenLater();
    };
  }

  private reach(end_s: number): void {
    if (end_s === this.end_s || !Number.isFinite(end_s)) return;
    this.end_s = end_s;
    this.options.onEnd?.(end_s);
  }

  private healthy(): void {
    this.failures = 0;
    this.options.onTrouble(false);
  }

  /** Something that cannot be decoded: first as hls.js advises, then from scratch a second further on. */
  private mendMedia(): void {
    if (this.remedy === "reopen") return;
    this.mediaFailures += 1;
    if (this.mediaFailures === 1) this.hls?.recoverMediaError();
    else this.reopenLater(1);
  }

  private load(): void {
    this.remedy = null;
    this.hls?.startLoad(-1);
  }

  private reopenLater(further_s = 0): void {
    this.later("reopen", () => this.reopen(further_s));
  }

  private async reopen(further_s: number): Promise<void> {
    const fresh = await this.options.renew();
    if (this.closed) return;
    if (fresh === null) {
      this.remedy = null;
      this.reopenLater(further_s);
      return;
    }
    // Read only now: the viewer may have jumped meanwhile.
    const { currentTime } = this.options.video;
    if (this.placed || currentTime > 0) this.place_s = currentTime;
    this.place_s += further_s;
    this.url = fresh;
    this.drop();
    await this.open();
  }

  /** Do this after a pause, unless something as strong is due or under way: hls.js goes on trying by itself and fails each
   * time, and pauses that began anew with every such error would never end. */
  private later(remedy: Remedy, what: () => unknown): void {
    if (this.closed || !takesOver(remedy, this.remedy)) return;
    this.remedy = remedy;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void what(), retryMs(this.failures, Math.random()));
    this.failures += 1;
  }
}
