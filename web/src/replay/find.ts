/** Search in what was shown, written and asked in a lesson. Pure. Every word must occur, in any order; writing without spaces
 * is found by any piece of it. */

import type { DeckPage } from "../teach/board/decks";
import { type Chapter, type Outline } from "./outline";

/** `before`, `hit` and `after` are a piece of the text around the first word that was found. */
export interface Found {
  readonly kind: "slide" | "chat" | "question" | "mark";
  readonly at_s: number;
  readonly before: string;
  readonly hit: string;
  readonly after: string;
  /** The page, of a slide. */
  readonly page: string;
  /** Who wrote it, of a line of chat; the deck's name, of a slide. */
  readonly name: string;
}

/** A longer list is not read. */
export const MOST_FOUND = 60;
const BEFORE_CHARACTERS = 16;
const AFTER_CHARACTERS = 60;

/** The words of a question; none when there is nothing to look for. */
export function wordsOf(query: string): readonly string[] {
  return folded(query).split(/\s+/).filter((word) => word !== "");
}

/** All places, in order of time.
 *
 * @param pageOf what a page of a deck holds; null while that is not here
 */
export function find(outline: Outline, pageOf: (page: string) => DeckPage | null, query: string): readonly Found[] {
  const words = wordsOf(query);
  if (words.length === 0) return [];
  const out: Found[] = [];
  const look = (kind: Found["kind"], at_s: number, text: string, page: string, name: string): void => {
    const piece = pieceOf(text, words);
    if (piece !== null) out.push({ kind, at_s, page, name, ...piece });
  };
  for (const chapter of outline.chapters) lookAt(chapter, pageOf, look);
  for (const line of outline.chat) look("chat", line.at_s, line.text, "", line.name);
  for (const one of outline.questions) look("question", one.at_s, [one.question].concat(one.choices).join(" · "), "", "");
  return out.sort((a, b) => a.at_s - b.at_s).slice(0, MOST_FOUND);
}

type Look = (kind: Found["kind"], at_s: number, text: string, page: string, name: string) => void;

function lookAt(chapter: Chapter, pageOf: (page: string) => DeckPage | null, look: Look): void {
  if (chapter.kind === "mark") look("mark", chapter.at_s, chapter.text, "", "");
  if (chapter.kind === "slide") look("slide", chapter.at_s, pageOf(chapter.page)?.text ?? "", chapter.page, chapter.name);
}

function pieceOf(text: string, words: readonly string[]): Pick<Found, "before" | "hit" | "after"> | null {
  const line = text.replace(/\s+/g, " ").trim();
  const plain = folded(line);
  if (!words.every((word) => plain.indexOf(word) >= 0)) return null;
  const [word = ""] = words;
  // Folding a few rare letters changes their number: then the piece is the beginning.
  const at = plain.length === line.length ? plain.indexOf(word) : 0;
  const until = plain.length === line.length ? at + word.length : 0;
  const from = Math.max(0, at - BEFORE_CHARACTERS);
  const to = Math.min(line.length, until + AFTER_CHARACTERS);
  return {
    before: (from > 0 ? "…" : "") + line.slice(from, at),
    hit: line.slice(at, until),
    after: line.slice(until, to) + (to < line.length ? "…" : ""),
  };
}

/** Without the differences that nobody types: capitals, and the wide letters of Chinese typesetting. */
function folded(text: string): string {
  return text.normalize("NFKC").toLowerCase();
}
