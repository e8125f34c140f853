/** The book of one replay: the lesson's timeline, followed while the lesson runs, and what it says at the second that is
 * played. Draws nothing; knows the controller's clock. */

import { batch, computed, effect, signal } from "@preact/signals";
import type { PageLink, Replay } from "../../lib/api";
import type { Controller } from "../controller";
import { fetchLog } from "../log";
import { momentsOf, retryMs } from "../model";
import { outlineOf, withMoments, type Outline } from "../outline";
import { FIRST_SCENE, momentOf, Story, type Scene } from "../story";
import { Decks } from "./decks";

/** While the lesson runs the log is asked for this often. */
const ASK_EVERY_MS = 4_000;
/** A frame of the board: the eye sees no strokes grow faster. */
const FRAME_MS = 33;
/** Work in pieces, so that a press is never waited for. */
const PIECE_MS = 8;

const NOTHING: Outline = { chapters: [], questions: [], chat: [], shown: [], materials: {} };

export class Book {
  readonly scene = signal<Scene>(FIRST_SCENE);
  readonly outline = signal<Outline>(NOTHING);
  readonly chapters = computed(() => withMoments(this.outline.value.chapters, this.moments.value));
  /** `asking`: the log has not come yet; `there`; `none`: there is none, or this link may not read it. */
  readonly state = signal<"asking" | "there" | "none">("asking");
  readonly decks: Decks;
  private readonly moments = computed(() => momentsOf(this.controller.replay.value));
  private readonly story = new Story();
  private readonly stops: (() => void)[] = [];
  private timer: ReturnType<typeof setTimeout> | null = null;
  private closed = false;

  constructor(
    readonly controller: Controller,
    private readonly link: PageLink,
  ) {
    this.decks = new Decks(link.lesson);
    this.stops.push(
      effect(() => this.place(controller.replay.value)),
      effect(() => this.look(controller.position_s.value)),
      effect(() => (controller.playing.value ? this.run() : undefined)),
      effect(() => this.decks.follow(this.outline.value.materials)),
    );
    void this.ask(0);
  }

  close(): void {
    this.closed = true;
    if (this.timer !== null) clearTimeout(this.timer);
    for (const stop of this.stops) stop();
    this.decks.close();
  }

  /** The lesson's moment that is heard now, milliseconds since 1970. */
  nowMs(): number {
    return momentOf(this.controller.replay.peek().parts, this.controller.now_s());
  }

  private place(replay: Replay): void {
    this.story.place(replay.parts, replay.recording.state === "recording");
    if (this.story.seq > 0) this.tell();
  }

  /** What is listed and shown, anew. */
  private tell(): void {
    batch(() => {
      this.outline.value = outlineOf(this.story);
      this.look(this.controller.position_s.peek());
    });
  }

  private look(second: number): void {
    this.scene.value = this.story.sceneAt(second);
  }

  /** While it plays the board follows by the frame; the returned function stops it. */
  private run(): () => void {
    let frame = 0;
    let last_ms = 0;
    const next = (now_ms: number): void => {
      frame = requestAnimationFrame(next);
      if (now_ms - last_ms < FRAME_MS || this.controller.isDragged) return;
      last_ms = now_ms;
      this.look(this.controller.now_s());
    };
    frame = requestAnimationFrame(next);
    return () => cancelAnimationFrame(frame);
  }

  private async ask(failures: number): Promise<void> {
    let again_ms: number | null;
    // Asked once more after the end, for what happened last.
    const over = !isGrowing(this.controller.replay.peek());
    try {
      const more = await fetchLog(this.link.lesson, this.link.token, this.story.seq);
      if (this.closed) return;
      this.story.add(more);
      this.state.value = "there";
      if (more.length > 0) {
        this.tell();
        this.prepare();
      }
      again_ms = over ? null : ASK_EVERY_MS;
      failures = 0;
    } catch (problem) {
      const status = (problem as { status?: number }).status ?? 0;
      const final = status >= 400 && status < 500 && status !== 429;
      if (final && this.state.peek() === "asking") this.state.value = "none";
      again_ms = final ? null : retryMs(failures, Math.random());
      failures += 1;
    }
    if (again_ms !== null && !this.closed) this.timer = setTimeout(() => void this.ask(failures), again_ms);
  }

  private prepare(): void {
    const until_ms = performance.now() + PIECE_MS;
    while (performance.now() < until_ms) {
      if (!this.story.prepareMore()) return;
    }
    setTimeout(() => {
      if (!this.closed) this.prepare();
    }, PIECE_MS);
  }
}

function isGrowing(replay: Replay): boolean {
  return replay.lesson.state !== "ended";
}
