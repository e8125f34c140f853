/** The volunteer's board without a server, for the stories: what stands on it and what the drawer holds. Part of no page. */

import type { Material } from "../generated/messages";
import { EMPTY_BOARD, type Board } from "../lib/board";
import { boardPart, loadBoard } from "../teach/board/load";
import type { Desk } from "../teach/board/desk";
import type { DeckPage, Manifest } from "../teach/board/decks";
import type { TeachModel } from "../teach/model";

export type BoardScene = "none" | "drawer" | "slide" | "blank" | "song" | "music";

/** A slide as a picture of its own, since no server keeps one here. */
function slide(n: number, zh: boolean): string {
  const canvas = document.createElement("canvas");
  canvas.width = 1280;
  canvas.height = 720;
  const ctx = canvas.getContext("2d");
  if (ctx !== null) {
    ctx.fillStyle = ["#e8f3ec", "#fdf1d7", "#e4eefc", "#f8e6ea"][n % 4] ?? "#fff";
    ctx.fillRect(0, 0, 1280, 720);
    ctx.fillStyle = "#1e2a2f";
    ctx.font = "600 84px sans-serif";
    ctx.fillText(zh ? `第 ${n} 课 春天来了` : `Lesson ${n}: Spring`, 100, 170);
    ctx.font = "48px sans-serif";
    [1, 2, 3].forEach((row) => ctx.fillText(`${row}.  ${zh ? "小草从土里钻出来" : "grass comes up, tender and green"}`, 120, 230 + row * 110));
  }
  return canvas.toDataURL("image/png");
}

function materials(zh: boolean): Material[] {
  const deck = (id: string, name: string, more: Partial<Material>): Material => ({
    id, kind: "deck", name, state: "ready", done: 8, total: 8, manifest: "aa", ...more,
  });
  return [
    deck("deck01", zh ? "春天来了.pdf" : "Spring is here.pdf", {}),
    deck("deck02", zh ? "生字.pptx" : "New words.pptx", { state: "working", done: 12, total: 40 }),
    deck("deck03", zh ? "旧课件.pdf" : "Old slides.pdf", { state: "failed", problem: "file_encrypted", manifest: "" }),
    { id: "song01", kind: "song", name: zh ? "小星星.mp3" : "Little star.mp3", state: "ready", manifest: "bb", duration_ms: 154_000 },
    { id: "film01", kind: "film", name: zh ? "种子发芽.mp4" : "A seed grows.mp4", state: "working", done: 40, total: 100 },
  ];
}

function boardOf(scene: BoardScene, zh: boolean): Board {
  const stage = { stage: "page", page: scene === "blank" ? "b.1" : "deck01.3", material: "", source: "camera" } as const;
  return {
    ...EMPTY_BOARD,
    materials: scene === "none" ? [] : materials(zh),
    pages: ["deck01.3"],
    mode: scene === "music" ? "music" : "speech",
    ...(scene === "slide" || scene === "blank" ? { stage } : {}),
    ...(scene === "song" ? { player: { material: "song01", playing: true, position_ms: 61_000, at_ms: Date.now() } } : {}),
  };
}

function dress(desk: Desk, scene: BoardScene, zh: boolean): void {
  const pages = Array.from({ length: 8 }, (_, n): DeckPage => ({ w: 1280, h: 720, thumb: `${n + 1}`, s: `${n + 1}`, m: `${n + 1}`, l: `${n + 1}` }));
  const deck: Manifest = { kind: "deck", pages };
  const pictures: Record<string, string> = {};
  Reflect.set(desk.decks, "url", (sha: string) => (pictures[sha] ??= slide(Number(sha), zh)));
  Reflect.set(desk.decks, "follow", () => undefined);
  desk.decks.manifests.value = { deck01: deck, deck02: deck };
  Reflect.set(desk.sounding, "load", () => undefined);
  const all = { have: 8, total: 8 };
  desk.prepared.value = { deck01: { c1: all, c2: all, c3: all }, deck02: { c1: { have: 3, total: 8 } } };
  desk.earlier.value = [{ lesson: "old", token: "x".repeat(22), material: "deck77", kind: "deck", name: zh ? "古诗三首.pdf" : "Three poems.pdf", pages: 24 }];
  if (scene === "drawer") {
    desk.uploads.all.value = [
      { id: 1, name: zh ? "图画.png" : "Drawing.png", bytes: 1_000, sent: 420, state: "sending", problem: "" },
      { id: 2, name: zh ? "作业.exe" : "Homework.exe", bytes: 1_000, sent: 0, state: "failed", problem: "kind_unknown" },
    ];
    desk.drawerOpen.value = true;
  }
}

/** Put `scene` on the board of `model` once its part is loaded. */
export function setScene(model: TeachModel, scene: BoardScene, zh: boolean): void {
  loadBoard(model);
  const stop = boardPart.subscribe((part) => {
    if (part === null) return;
    dress(part.desk, scene, zh);
    if (scene !== "none") model.page.board.value = boardOf(scene, zh);
    queueMicrotask(() => stop());
  });
}

