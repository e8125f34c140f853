/** Songs and films of the lesson in step with the replay: the recording does not hold their sound, so they are played from
 * their files, as every classroom did. */

import { effect, signal } from "@preact/signals";
import type { Player } from "../../generated/messages";
import { positionOf, stepOf } from "../../lib/in-step";
import type { Book } from "./book";

const LOOK_EVERY_MS = 200;

export class Sounding {
  /** Put it into the page to see a film; a song sounds without. */
  readonly element = signal<HTMLVideoElement | null>(null);
  private url = "";
  private soughtAtMs = -Infinity;
  private asked = false;
  private readonly stops: (() => void)[] = [];
  private readonly timer = setInterval(() => this.look(), LOOK_EVERY_MS);

  constructor(private readonly book: Book) {
    const { controller } = book;
    this.stops.push(
      effect(() => {
        const { player } = book.scene.value.board;
        const media = player === null ? null : book.decks.media(player.material);
        this.load(media === null ? "" : book.decks.url(media.file, media.ext));
      }),
      effect(() => {
        const element = this.element.value;
        if (element === null) return;
        element.volume = controller.volume.value;
        element.muted = controller.muted.value;
      }),
      effect(() => {
        // Inside the press that starts the replay, when that is why this changes: then sound is allowed.
        void controller.playing.value;
        void controller.speed.value;
        this.look();
      }),
    );
  }

  close(): void {
    clearInterval(this.timer);
    for (const stop of this.stops) stop();
    this.load("");
  }

  private load(url: string): void {
    if (url === this.url) return;
    this.url = url;
    this.asked = false;
    const before = this.element.peek();
    before?.pause();
    before?.removeAttribute("src");
    before?.load();
    this.element.value = url === "" ? null : made(url);
    this.look();
  }

  private look(): void {
    const element = this.element.peek();
    const { player } = this.book.scene.peek().board;
    if (element === null || player === null) return;
    const { controller } = this.book;
    const now_ms = this.book.nowMs();
    const { play, seek_s, rate } = stepOf(this.wanted(player, now_ms), now_ms, {
      time_s: element.currentTime,
      paused: element.paused,
      ready: element.readyState >= 1 && !element.seeking,
      duration_s: isFinite(element.duration) ? element.duration : null,
      since_seek_s: (performance.now() - this.soughtAtMs) / 1000,
    });
    if (seek_s !== null) {
      this.soughtAtMs = performance.now();
      element.currentTime = seek_s;
    }
    const speed = rate * controller.speed.peek();
    if (element.playbackRate !== speed) element.playbackRate = speed;
    if (!play && !element.paused) element.pause();
    if (play && element.paused && !this.asked) {
      this.asked = true;
      const answered = (): void => void (this.asked = false);
      element.play().then(answered, answered);
    }
  }

  /** The player as the viewer is to hear it: it stands still while the replay does. */
  private wanted(player: Player, now_ms: number): Pick<Player, "playing" | "position_ms" | "at_ms"> {
    if (this.book.controller.isRunning) return player;
    return { playing: false, position_ms: positionOf(player, now_ms) * 1000, at_ms: now_ms };
  }
}

function made(url: string): HTMLVideoElement {
  const element = document.createElement("video");
  element.preload = "auto";
  element.setAttribute("playsinline", "");
  element.className = "replay-film";
  element.dataset["test"] = "media";
  element.src = url;
  return element;
}
