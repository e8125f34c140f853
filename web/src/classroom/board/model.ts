/** What of slides, strokes and films is seen in this room, and when: brings together what the server tells, what has been
 * fetched, and how far the room's sound lags. Its parts have the rules; the view reads the signals. */

import { computed, effect, signal, type Signal } from "@preact/signals";
import { type HandMessage, type Ink, type Spot, spotOf } from "../../board/index";
import type { Happened, ServerMessage, Stage } from "../../generated/messages";
import { type Board, happened as afterHappened, numberOf, ownerOf } from "../../lib/board";
import { Fetcher } from "../../materials/fetcher";
import type { Line } from "../../materials/pace";
import { pageOf, picturesHere, readiness } from "../../materials/plan";
import { Reports } from "../../materials/reports";
import type { ClassroomModel } from "../model";
import { Delay, type Lag } from "./delay";
import { greeted, type Inks, inked, lacks, NO_INKS, strokesOf, withEmpty, withWhole } from "./ink";
import { MediaPlayer } from "./media";

/** Blank boards are as wide as projectors. */
const BLANK_ASPECT = 9 / 16;
/** While something is held back, the lag is looked at this often: it may have shrunk. */
const LOOK_MS = 100;
/** A page that was asked for and has not come is asked for again. */
const ASK_AGAIN_MS = 3_000;
/** How often the volunteer's table of what is ready is looked after. */
const REPORT_MS = 500;
/** Pages whose pictures are held decoded: the one before, and the two that come next. */
const NEAR = [1, -1, 2];
/** Round trips that set the clock before the first song, one a second. */
const FIRST_PINGS = 4;
/** Wider than this in the screen's own pixels, the largest pictures can be seen. */
const WIDE_PX = 1_280;

/** What the surface is given. */
export interface Shown {
  readonly page: string;
  readonly aspect: number;
  readonly backgrounds: readonly string[];
}

export class BoardModel {
  readonly fetcher: Fetcher;
  readonly media: MediaPlayer;
  /** What this room looks at now: what the server said, as late as the sound. */
  readonly stage: Signal<Stage>;
  readonly shown = signal<Shown | null>(null);
  readonly pointer = signal<Spot | null>(null);
  readonly epoch = signal(0);
  /** What is in sight: the live pictures until slide or film can be painted. */
  readonly sight = signal<"live" | "page" | "film">("live");
  /** The page that is in sight. */
  readonly inSight = signal("");
  readonly strokes = computed((): readonly Ink[] => strokesOf(this.inks.value, this.shown.value?.page ?? ""));
  /** The wanted page is not to be seen yet. */
  readonly awaited = computed(() => this.stage.value.stage === "page" && (this.sight.value !== "page" || this.inSight.value !== this.stage.value.page));
  readonly mayDraw = computed(() => {
    const { view, board, lessonState } = this.model.page;
    return lessonState.value === "live" && this.sight.value === "page" && board.value.drawing.indexOf(view.value?.you ?? "") >= 0;
  });

  /** Whose strokes the eraser here takes: the server lets a classroom erase no others. */
  readonly you = computed(() => this.model.page.view.value?.you ?? "");

  private readonly inks = signal<Inks>(NO_INKS);
  private readonly delay = new Delay();
  private readonly reports = new Reports();
  private readonly asked = new Map<string, number>();
  private readonly near = new Map<string, HTMLImageElement>();
  private seen: Board;
  private timer: ReturnType<typeof setTimeout> | null = null;

  constructor(private readonly model: ClassroomModel) {
    const { page, meter } = model;
    this.seen = page.board.peek();
    this.stage = signal(this.seen.stage);
    this.fetcher = new Fetcher(page.link.lesson, {
      sight: () => {
        const { materials, stage, player } = page.board.peek();
        return {
          materials,
          page: stage.stage === "page" ? stage.page : "",
          playing: player?.material ?? (stage.stage === "film" ? stage.material : ""),
          wide: screen.width * (devicePixelRatio || 1) > WIDE_PX,
        };
      },
      line: () => this.line(),
      received: (bytes) => meter.add(bytes),
    });
    this.media = new MediaPlayer(model, this.fetcher);
    this.wire();
  }

  start(): void {
    void this.fetcher.start();
    for (let n = 0; n < FIRST_PINGS; n++) setTimeout(() => this.model.page.signalling.ping(), n * 1_000);
  }

  draw(message: HandMessage): void {
    this.model.page.signalling.send(message);
  }

  command(command: "undo" | "redo" | "clear"): void {
    const page = this.inSight.peek();
    if (page !== "") this.model.page.signalling.send({ type: command, page });
  }

  /** The surface has `page` in sight. */
  came(page: string): void {
    this.inSight.value = page;
    if (this.stage.peek().stage === "page") this.sight.value = "page";
    void this.prepare(page);
  }

  /** How the room's sound lags, for the hand that draws and for tests. */
  lag(): Lag {
    const { clock } = this.model.page.signalling;
    return { lagMs: this.model.hearing.lagMs, offsetMs: clock.offsetMs, wayMs: clock.withinMs === Infinity ? 0 : clock.withinMs };
  }

  private line(): Line {
    const { page, hearing, meter, receiving } = this.model;
    const state = page.lessonState.peek();
    const link = page.view.peek()?.link ?? null;
    return {
      live: (state === "live" && !page.left.peek()) || hearing.finishing.peek(),
      // The recording of what was missed needs all that the link has.
      rung: hearing.phase.peek() === "live" ? (link?.rung ?? "") : "reconnecting",
      // While nothing of the lesson measures the link, what is fetched does.
      kbps: link?.kbps ?? this.fetcher.kbps,
      usedKbps: receiving.peek().kbps,
      idle: state === "live" && link !== null && (link.rung ?? "") === "" && hearing.lagMs === 0,
      saving: meter.ceiling.peek() === "sound",
    };
  }

  private wire(): void {
    const { page, hearing } = this.model;
    page.signalling.listen((message) => this.hear(message));
    effect(() => {
      const { stage, pages } = page.board.value;
      if (page.signalling.phase.value === "ready") this.want(stage.page, pages);
    });
    effect(() => {
      if (page.signalling.phase.value !== "ready") return;
      this.reports.afresh();
      this.asked.clear();
      this.fetcher.back();
    });
    effect(() => {
      void [page.board.value, page.lessonState.value, page.view.value?.link, hearing.phase.value];
      this.fetcher.poke();
    });
    effect(() => {
      void [this.stage.value, page.board.value.materials, this.fetcher.changed.value, this.media.visible.value];
      this.refresh();
    });
    effect(() => {
      this.model.boardShown.value = this.sight.value !== "live";
    });
    addEventListener("online", () => this.fetcher.back());
    setInterval(() => this.report(), REPORT_MS);
  }

  private hear(message: ServerMessage): void {
    if (message.type === "board") {
      this.delay.clear();
      this.inks.value = greeted(message);
      this.epoch.value += 1;
      this.pointer.value = null;
      this.seen = message;
      this.stage.value = message.stage;
    } else if (message.type === "page") {
      this.asked.delete(message.page);
      this.inks.value = withWhole(this.inks.peek(), message);
    } else if (message.type === "happened" && message.seq > this.seen.seq) {
      this.hearEvent(message);
    }
  }

  /** Slides and strokes are seen at once; what points is seen with the words that go with it. */
  private hearEvent(message: Happened): void {
    if (message.event.type === "pointed") {
      this.delay.add(message, performance.now());
      this.pump();
      return;
    }
    // What still waits pointed at the page before.
    if (message.event.type === "stage_shown") this.delay.clear();
    this.apply(message);
  }

  /** Let the pointer move as far as is due. */
  private pump(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    const now = performance.now();
    const lag = this.lag();
    this.delay.take(now, lag).forEach((one) => this.point(one));
    const next = this.delay.nextMs(lag);
    if (next !== null) this.timer = setTimeout(() => this.pump(), Math.min(LOOK_MS, Math.max(1, next - now)));
  }

  private apply(one: Happened): void {
    this.seen = afterHappened(this.seen, one);
    this.inks.value = inked(this.inks.peek(), one);
    this.stage.value = this.seen.stage;
    const { event } = one;
    if (event.type === "stage_shown") this.pointer.value = null;
    if (event.type === "strokes_shown") this.want(this.seen.stage.page, this.seen.pages);
  }

  private point({ by, event }: Happened): void {
    if (event.type === "pointed" && by !== this.model.page.view.peek()?.you) this.pointer.value = spotOf(event);
  }

  /** Have the strokes of `page`. It is asked for as soon as the volunteer turns to it, before this room sees the turn. */
  private want(page: string, written: readonly string[]): void {
    if (!lacks(this.inks.peek(), page)) return;
    if (written.indexOf(page) < 0) {
      this.inks.value = withEmpty(this.inks.peek(), page);
      return;
    }
    const now = performance.now();
    if (now - (this.asked.get(page) ?? -Infinity) < ASK_AGAIN_MS) return;
    if (this.model.page.signalling.send({ type: "get_page", page })) this.asked.set(page, now);
  }

  /** Hand the surface what it can paint; what it has stays until then. */
  private refresh(): void {
    const { stage, page } = this.stage.peek();
    if (stage === "live") {
      this.show(null, "live");
    } else if (stage === "film") {
      if (this.media.visible.peek()) this.show(null, "film");
    } else {
      const wanted = this.paintable(page);
      if (wanted !== null) this.show(wanted, this.sight.peek());
      if (wanted !== null && this.inSight.peek() === page) this.sight.value = "page";
    }
  }

  private show(shown: Shown | null, sight: "live" | "page" | "film"): void {
    const before = this.shown.peek();
    const same = before !== null && shown !== null && before.page === shown.page && before.backgrounds[0] === shown.backgrounds[0];
    if (!same) this.shown.value = shown;
    if (shown === null) this.inSight.value = "";
    this.sight.value = sight;
  }

  private paintable(page: string): Shown | null {
    if (ownerOf(page) === "b") return { page, aspect: BLANK_ASPECT, backgrounds: [] };
    const shelf = this.fetcher.shelf();
    const info = pageOf(shelf, page);
    if (info === null) return null;
    const [best] = picturesHere(shelf, info, shelf.wide);
    if (best === undefined) return null;
    const url = this.fetcher.addressNow(best);
    if (url === null) {
      void this.fetcher.address(best).then((made) => made !== null && this.refresh());
      return null;
    }
    return { page, aspect: info.h / info.w, backgrounds: [url] };
  }

  /** Hold the neighbours' pictures decoded, so that a turn to them is painted in the next frame. */
  private async prepare(page: string): Promise<void> {
    const wanted = NEAR.map((by) => `${ownerOf(page)}.${numberOf(page) + by}`);
    Array.from(this.near.keys()).forEach((key) => wanted.indexOf(key) >= 0 || this.near.delete(key));
    for (const key of wanted) {
      const shelf = this.fetcher.shelf();
      const info = pageOf(shelf, key);
      const best = info === null ? undefined : picturesHere(shelf, info, shelf.wide)[0];
      const url = best === undefined ? null : await this.fetcher.address(best);
      if (url === null || this.near.get(key)?.src === url) continue;
      const image = new Image();
      image.src = url;
      this.near.set(key, image);
      await image.decode().catch(() => undefined);
    }
  }

  private report(): void {
    const { page } = this.model;
    if (page.signalling.phase.peek() !== "ready") return;
    const shelf = this.fetcher.shelf();
    const now = performance.now();
    const present = shelf.materials.filter((one) => one.state !== "failed").map((one) => ({ material: one.id, ...readiness(shelf, one) }));
    for (const one of this.reports.due(present, now)) {
      if (page.signalling.send({ type: "materials_ready", ...one })) this.reports.sent(one, now);
    }
    const { stage, pages } = page.board.peek();
    this.want(stage.page, pages);
    if (this.inSight.peek() !== "") void this.prepare(this.inSight.peek());
  }
}
