/** What the volunteer does with the board: show pages, boards and films, play, freeze, mark, choose the kind of lesson. Knows
 * the lesson's board and sends its orders; draws nothing itself. What is shown here changes at the press, not a round trip
 * later. */

import { computed, effect, signal } from "@preact/signals";
import { FIRST_CHOICE, type Choice, type HandMessage } from "../../board/index";
import type { BoardOrder, CameraKind, Material, Mode, Player, ServerMessage, Stage } from "../../generated/messages";
import { numberOf, ownerOf } from "../../lib/board";
import { request } from "../../lib/api";
import { timeOfDay, t } from "../../lib/i18n";
import { positionOf } from "../../lib/in-step";
import type { TeachModel } from "../model";
import { Decks, sizesOf, type DeckPage } from "./decks";
import { frozen } from "./freeze";
import { type Earlier, keepEarlier, recallEarlier, withReady } from "./remembered";
import { Sounding } from "./sounding";
import { StrokeStore } from "./state";
import { overHttp, Uploads } from "./uploads";
import type { PreparedAll } from "./words";

/** A page as the stage shows it. */
export interface Sheet {
  readonly key: string;
  readonly at: number;
  readonly of: number;
  readonly aspect: number;
  readonly backgrounds: readonly string[];
  readonly blank: boolean;
  readonly name: string;
}

const BLANK_ASPECT = 9 / 16;
/** An order that the server has not answered by then was lost: the stage shows what all see. */
const AHEAD_LASTS_MS = 8_000;
const MARKED_SHOWN_MS = 4_000;

export type Freezing = "" | "working" | "failed";

export class Desk {
  readonly strokes: StrokeStore;
  readonly decks: Decks;
  readonly uploads: Uploads;
  readonly sounding: Sounding;
  readonly choice = signal<Choice>(FIRST_CHOICE);
  readonly drawerOpen = signal(false);
  readonly prepared = signal<PreparedAll>({});
  readonly earlier = signal<readonly Earlier[]>(recallEarlier());
  /** A reuse or removal that the server refused, by a stable word. */
  readonly refused = signal("");
  readonly freezing = signal<Freezing>("");
  /** "Marked" is said for some seconds. */
  readonly marked = signal(false);
  /** The hint about echoes has been read. */
  readonly echoKnown = signal(false);
  /** The player's strip was closed at this state of the player. */
  readonly closedAtMs = signal(0);
  /** What this page has ordered to be shown, until the server tells it back. */
  private readonly ahead = signal<Stage | null>(null);
  private aheadTimer: ReturnType<typeof setTimeout> | null = null;
  private markedTimer: ReturnType<typeof setTimeout> | null = null;
  private lastBoard = "b.1";
  /** The page of each deck that was shown last. */
  private readonly seen: Record<string, string> = {};
  private readonly kept: HTMLImageElement[] = [];

  readonly board = computed(() => this.model.page.board.value);
  /** What is shown, played and cleared is the leading volunteer's; another one beside draws, marks and adds materials. */
  readonly leads = computed(() => this.model.rooms.leads.value);
  readonly stage = computed(() => this.ahead.value ?? this.board.value.stage);
  readonly materials = computed(() => this.board.value.materials);
  readonly sheet = computed(() => (this.stage.value.stage === "page" ? this.sheetOf(this.stage.value.page) : null));
  readonly next = computed(() => {
    const sheet = this.sheet.value;
    if (sheet === null || sheet.blank || sheet.at >= sheet.of) return null;
    return this.sheetOf(`${ownerOf(sheet.key)}.${sheet.at + 1}`);
  });
  /** The player, where its strip is to be seen. */
  readonly player = computed<Player | null>(() => {
    const { player } = this.board.value;
    return player !== null && player.at_ms > this.closedAtMs.value && this.material(player.material) !== null ? player : null;
  });
  /** The microphone is open and loudspeakers may play: classrooms could hear the song twice. */
  readonly mayEcho = computed(
    () =>
      this.board.value.player?.playing === true &&
      !this.sounding.silent.value &&
      this.model.speaking.value &&
      this.model.microphone.track.value !== null,
  );

  constructor(readonly model: TeachModel) {
    const { page } = model;
    const { lesson, token } = page.link;
    this.strokes = new StrokeStore(
      () => page.view.peek()?.you ?? "",
      (key) => page.signalling.send({ type: "get_page", page: key }),
    );
    this.decks = new Decks(lesson);
    this.uploads = new Uploads(overHttp(lesson, token));
    this.sounding = new Sounding(
      // What still plays when the lesson ends is over with it.
      () => (page.lessonState.peek() === "ended" ? null : page.board.peek().player),
      () => page.serverNowMs(),
    );
    page.signalling.listen((message) => this.receive(message));
    // What classrooms told before this part was loaded.
    model.rooms.prepared.peek().forEach((told) => this.receive(told));
    effect(() => this.decks.follow(this.materials.value));
    effect(() => {
      const list = withReady(this.earlier.peek(), lesson, token, this.materials.value);
      if (list !== this.earlier.peek()) {
        this.earlier.value = list;
        keepEarlier(list);
      }
    });
    effect(() => {
      const sheet = this.sheet.value;
      if (sheet?.blank === true) this.lastBoard = sheet.key;
    });
    effect(() => {
      // Again when the socket is back, or when a stroke came back that is not known here.
      const ready = page.signalling.phase.value === "ready";
      void this.strokes.pages.value;
      if (ready && this.stage.value.stage === "page") this.strokes.need(this.stage.value.page);
    });
    effect(() => this.fetchAround());
    effect(() => {
      const player = this.board.value.player;
      const media = player === null ? null : this.decks.media(player.material);
      this.sounding.load(media === null ? "" : this.decks.url(media.file, media.ext), page.sound.speaker.value);
    });
    effect(() => void model.applyMode(this.board.value.mode));
    effect(() => {
      model.prefer.value = this.board.value.stage.source;
    });
  }

  material(id: string): Material | null {
    return this.materials.value.find((one) => one.id === id) ?? null;
  }

  /** Where the player stands now, in seconds. */
  positionS(): number {
    const { player } = this.board.peek();
    return player === null ? 0 : positionOf(player, this.model.page.serverNowMs());
  }

  // What is shown

  showLive(): void {
    this.show({ stage: "live", page: "", material: "" });
  }

  /** The live picture, with this camera large. */
  showSource(source: CameraKind): void {
    if (this.leads.peek()) this.send({ type: "show", stage: "live", source });
  }

  /** Put a second camera over a document, and show it; without a device, put it away. */
  async useDocument(device: string): Promise<void> {
    if (device === "") {
      this.model.hideDocument();
      return;
    }
    await this.model.showDocument(device);
    if (this.model.document.peek()) this.showSource("document");
  }

  showPage(page: string): void {
    this.show({ stage: "page", page, material: "" });
  }

  showFilm(material: string): void {
    this.show({ stage: "film", page: "", material });
    if (this.board.peek().player?.material !== material) this.play(material, true, 0);
  }

  /** The deck where it was last looked at in this page's life, else its first page. */
  showDeck(material: string): void {
    this.showPage(this.seen[material] ?? `${material}.1`);
  }

  turn(to: number): void {
    const sheet = this.sheet.peek();
    if (sheet !== null) this.showPage(`${ownerOf(sheet.key)}.${to}`);
  }

  newBoard(): void {
    this.showPage(`b.${this.board.peek().boards + 1}`);
  }

  /** To the blank board, or from it back to the live picture. */
  toggleBoard(): void {
    if (this.sheet.peek()?.blank === true) this.showLive();
    else this.showPage(this.lastBoard);
  }

  private show(what: Omit<Stage, "source">): void {
    if (!this.leads.peek()) return;
    const { source } = this.board.peek().stage;
    const now = this.stage.peek();
    if (now.stage === what.stage && now.page === what.page && now.material === what.material) return;
    const { player } = this.board.peek();
    // A film that nobody sees any more must not go on talking.
    const film = player !== null && this.material(player.material)?.kind === "film";
    if (film && player.playing && what.material !== player.material) this.play(player.material, false);
    const sent = this.send({
      type: "show",
      stage: what.stage,
      source,
      ...(what.page === "" ? {} : { page: what.page }),
      ...(what.material === "" ? {} : { material: what.material }),
    });
    if (!sent) return;
    if (what.stage === "page") this.seen[ownerOf(what.page)] = what.page;
    this.ahead.value = { ...what, source };
    if (this.aheadTimer !== null) clearTimeout(this.aheadTimer);
    this.aheadTimer = setTimeout(() => (this.ahead.value = null), AHEAD_LASTS_MS);
  }

  // Drawing

  draw(message: HandMessage): void {
    this.send(message);
  }

  command(what: "undo" | "redo" | "clear"): void {
    const sheet = this.sheet.peek();
    if (sheet !== null && (what !== "clear" || this.leads.peek())) this.send({ type: what, page: sheet.key });
  }

  // Playing

  play(material: string, playing: boolean, positionS = this.positionS()): void {
    this.model.page.sound.unlock();
    if (this.leads.peek()) this.send({ type: "play", material, playing, position_ms: Math.max(0, Math.round(positionS * 1000)) });
  }

  /** Put the player away; it stands still then. */
  closePlayer(): void {
    const { player } = this.board.peek();
    if (player === null) return;
    if (player.playing) this.play(player.material, false);
    // Also what is told of the order just given.
    this.closedAtMs.value = Math.max(player.at_ms, this.model.page.serverNowMs() + 2_000);
    if (this.stage.peek().stage === "film") this.showLive();
  }

  /** A song or film from its beginning, or on from where it stands. */
  start(material: Material): void {
    const { player } = this.board.peek();
    this.closedAtMs.value = 0;
    if (material.kind === "film") this.show({ stage: "film", page: "", material: material.id });
    this.play(material.id, true, player?.material === material.id ? this.resumeS(material) : 0);
  }

  private resumeS(material: Material): number {
    const at = this.positionS();
    return at >= (material.duration_ms ?? 0) / 1000 - 0.5 ? 0 : at;
  }

  // Other orders

  setMode(mode: Mode): void {
    this.send({ type: "set_mode", mode });
  }

  mark(): void {
    if (!this.send({ type: "mark", text: "" })) return;
    this.marked.value = true;
    if (this.markedTimer !== null) clearTimeout(this.markedTimer);
    this.markedTimer = setTimeout(() => (this.marked.value = false), MARKED_SHOWN_MS);
  }

  // Materials

  addFiles(files: ArrayLike<File>): void {
    for (let n = 0; n < files.length; n++) {
      const file = files[n];
      if (file !== undefined) this.uploads.add(file, file.name);
    }
  }

  async remove(material: string): Promise<void> {
    await this.ask(`/api/materials/${this.model.page.link.lesson}/${material}`, { method: "DELETE" });
  }

  async reuse(one: Earlier): Promise<void> {
    const done = await this.ask(`/api/materials/${this.model.page.link.lesson}/reuse`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ from_lesson: one.lesson, token: one.token, material: one.material }),
    });
    if (done || this.refused.peek() === "network") return;
    // Its lesson was deleted, or its link runs no more: it need not be offered again.
    const left = this.earlier.peek().filter((other) => other !== one);
    if (/not_found|lesson_unknown|token_|wrong_/.test(this.refused.peek())) {
      this.earlier.value = left;
      keepEarlier(left);
    }
  }

  private async ask(url: string, init: RequestInit): Promise<boolean> {
    this.refused.value = "";
    try {
      await request(url, this.model.page.link.token, init);
      return true;
    } catch (error) {
      this.refused.value = (error as { code?: string }).code ?? "other";
      return false;
    }
  }

  /** What the camera shows now becomes a page, and is shown. */
  async freeze(): Promise<void> {
    const { document, screenStream, cameraStream, prefer } = this.model;
    const stream = document.peek() && prefer.peek() !== "camera" ? screenStream.peek() : cameraStream.peek();
    if (stream === null || this.freezing.peek() === "working" || !this.leads.peek()) return;
    this.freezing.value = "working";
    try {
      const picture = await frozen(stream);
      const name = `${t("freeze.name", { time: timeOfDay(this.model.page.serverNowMs()) })}.jpg`;
      this.uploads.add(picture, name, {
        done: (made) => this.whenReady(made),
        failed: () => (this.freezing.value = "failed"),
        dropped: () => (this.freezing.value = ""),
      });
    } catch {
      this.freezing.value = "failed";
    }
  }

  private whenReady(made: Material): void {
    let known = false;
    const stop = effect(() => {
      const material = this.material(made.id);
      const pages = this.decks.pages(made.id).length;
      const removed = known && material === null;
      known = material !== null;
      if (material?.state === "failed") this.freezing.value = "failed";
      else if (removed) this.freezing.value = "";
      else if (pages === 0) return;
      else {
        this.freezing.value = "";
        // Whoever has turned to something else meanwhile is not pulled away from it.
        if (this.stage.peek().stage === "live") this.showPage(`${made.id}.1`);
      }
      queueMicrotask(() => stop());
    });
  }

  // Inside

  private send(order: BoardOrder): boolean {
    return this.model.page.signalling.send(order);
  }

  private receive(message: ServerMessage): void {
    this.strokes.receive(message);
    if (message.type === "prepared") {
      const { participant, material, have, total } = message;
      const of = this.prepared.peek()[material] ?? {};
      this.prepared.value = { ...this.prepared.peek(), [material]: { ...of, [participant]: { have, total } } };
    } else if (message.type === "board" || message.type === "error") {
      this.ahead.value = null;
    } else if (message.type === "happened" && message.event.type === "stage_shown") {
      const { stage, page = "", material = "" } = message.event;
      const ahead = this.ahead.peek();
      const told = ahead?.stage === stage && ahead.page === page && ahead.material === material;
      // An older one of several orders of this page leaves the newest standing.
      if (told || message.by !== this.model.page.view.peek()?.you) this.ahead.value = null;
    }
  }

  private sheetOf(key: string): Sheet {
    const [owner, at] = [ownerOf(key), numberOf(key)];
    if (owner === "b") {
      const of = Math.max(this.board.value.boards, at);
      return { key, at, of, aspect: BLANK_ASPECT, backgrounds: [], blank: true, name: t("stage.blank") };
    }
    const pages = this.decks.pages(owner);
    const page = pages[at - 1];
    const material = this.material(owner);
    return {
      key,
      at,
      of: Math.max(pages.length, at),
      aspect: page === undefined || page.w === 0 ? BLANK_ASPECT : page.h / page.w,
      backgrounds: page === undefined ? [] : this.picturesOf(page),
      blank: false,
      name: material?.name ?? "",
    };
  }

  private picturesOf(page: DeckPage): string[] {
    const pixels = innerWidth * (window.devicePixelRatio || 1);
    return sizesOf(page, pixels).map((sha) => this.decks.url(sha, "webp"));
  }

  /** The pages beside the shown one, so that they turn at once. */
  private fetchAround(): void {
    const sheet = this.sheet.value;
    if (sheet === null || sheet.blank) return;
    const pages = this.decks.pages(ownerOf(sheet.key));
    const beside = [pages[sheet.at], pages[sheet.at - 2]];
    this.kept.length = 0;
    for (const page of beside) {
      const url = page === undefined ? undefined : this.picturesOf(page)[0];
      if (url === undefined) continue;
      const image = new Image();
      image.src = url;
      this.kept.push(image);
    }
  }
}
