/** What the replay lists of a lesson: chapters, questions with their answers, the chat. Pure: the events of a story in. */

import type { Answer, Happened, Material, Role } from "../generated/messages";
import { ownerOf } from "../lib/board";
import type { Moment } from "./model";
import type { Story } from "./story";

/** The owner of blank boards, as page keys name it. */
export const BLANK = "b";

/** A place to jump to. `slide` and `board`: a page when it was first shown; `media`: a song or film that was begun; `mark`:
 * what the volunteer marked; the others as in `Moment`. */
export type Chapter =
  | { readonly kind: "slide" | "board"; readonly at_s: number; readonly page: string; readonly name: string }
  | { readonly kind: "media"; readonly at_s: number; readonly material: string; readonly name: string }
  | { readonly kind: "mark"; readonly at_s: number; readonly text: string }
  | { readonly kind: "moment"; readonly at_s: number; readonly moment: Moment };

export interface Question {
  readonly poll: string;
  readonly at_s: number;
  readonly question: string;
  readonly choices: readonly string[];
  /** Which choice was said to be right; null: none. */
  readonly right: number | null;
  readonly answers: readonly Answer[];
}

export interface ChatLine {
  readonly seq: number;
  readonly at_s: number;
  readonly name: string;
  readonly role: Role;
  readonly text: string;
}

/** From `at_s` on this page is on the stage; empty: no page is. */
export interface Shown {
  readonly at_s: number;
  readonly page: string;
}

export interface Outline {
  readonly chapters: readonly Chapter[];
  readonly questions: readonly Question[];
  readonly chat: readonly ChatLine[];
  readonly shown: readonly Shown[];
  /** Every material as it stood last, also one that was removed later. */
  readonly materials: Readonly<Record<string, Material>>;
}

/** A page that was on the stage for less than this was leafed over on the way to another. */
const LOOKED_AT_S = 1;

export function outlineOf(story: Story): Outline {
  const chapters: Chapter[] = [];
  const questions: Question[] = [];
  const chat: ChatLine[] = [];
  const shown: Shown[] = [];
  const materials: Record<string, Material> = {};
  story.events.forEach(({ seq, event }: Happened, index) => {
    const at_s = story.secondAt(index);
    switch (event.type) {
      case "material_changed":
        materials[event.material.id] = event.material;
        break;
      case "stage_shown": {
        const page = event.stage === "page" ? (event.page ?? "") : "";
        // Of several in the same moment (while nothing was recorded) only the last was seen.
        if (shown.length > 0 && shown[shown.length - 1]?.at_s === at_s) shown.pop();
        shown.push({ at_s, page });
        break;
      }
      case "played":
        if (event.playing && !chapters.some((one) => one.kind === "media" && one.material === event.material)) {
          chapters.push({ kind: "media", at_s, material: event.material, name: "" });
        }
        break;
      case "marked":
        chapters.push({ kind: "mark", at_s, text: event.text });
        break;
      case "poll_opened": {
        const { poll, question, choices } = event;
        questions.push({ poll, at_s, question, choices, right: null, answers: [] });
        break;
      }
      case "poll_answered": {
        const { participant, name, counts } = event;
        change(questions, event.poll, (one) => ({
          ...one,
          answers: one.answers.filter((other) => other.participant !== participant).concat([{ participant, name, counts }]),
        }));
        break;
      }
      case "poll_revealed":
        change(questions, event.poll, (one) => ({ ...one, right: event.right }));
        break;
      case "said":
        chat.push({ seq, at_s, name: event.name, role: event.role, text: event.text });
        break;
      default:
        break;
    }
  });
  const named = chapters.map((one) => (one.kind === "media" ? { ...one, name: nameOf(materials[one.material]) } : one));
  const all = inOrder(pagesOf(shown, materials).concat(named));
  return { chapters: all, questions, chat, shown, materials };
}

/** A material as people call it: without the ending of its file. */
export function nameOf(material: Material | undefined): string {
  return (material?.name ?? "").replace(/\.[A-Za-z0-9]{2,5}$/, "");
}

/** Chapters together with what the recording itself knows of. */
export function withMoments(chapters: readonly Chapter[], moments: readonly Moment[]): readonly Chapter[] {
  if (moments.length === 0) return chapters;
  return inOrder(chapters.concat(moments.map((moment) => ({ kind: "moment" as const, at_s: moment.at_s, moment }))));
}

/** The index of what is on at a second: the last that has begun; -1: none has. */
export function currentAt(all: readonly { readonly at_s: number }[], second: number): number {
  let [low, high] = [0, all.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((all[middle]?.at_s ?? 0) <= second) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The page on the stage at a second; empty: none is. */
export function pageAt(shown: readonly Shown[], second: number): string {
  return shown[currentAt(shown, second)]?.page ?? "";
}

/** How many pupils chose each. */
export function countsOf(question: Question): readonly number[] {
  return question.choices.map((_, n) => question.answers.reduce((sum, one) => sum + (one.counts[n] ?? 0), 0));
}

function pagesOf(shown: readonly Shown[], materials: Readonly<Record<string, Material>>): Chapter[] {
  const first: Record<string, Shown> = {};
  const looked: Record<string, boolean> = {};
  shown.forEach((one, n) => {
    if (one.page === "") return;
    const long = (shown[n + 1]?.at_s ?? Infinity) - one.at_s >= LOOKED_AT_S;
    if (first[one.page] === undefined || (long && looked[one.page] !== true)) first[one.page] = one;
    looked[one.page] = looked[one.page] === true || long;
  });
  return Object.keys(first)
    .filter((page) => looked[page] === true)
    .map((page) => {
      const owner = ownerOf(page);
      return { kind: owner === BLANK ? "board" : "slide", at_s: first[page]?.at_s ?? 0, page, name: nameOf(materials[owner]) };
    });
}

/** In order of time; of one moment a mark comes first, as it says what begins. */
function inOrder(all: readonly Chapter[]): readonly Chapter[] {
  const rank = (one: Chapter): number => (one.kind === "mark" ? 0 : one.kind === "moment" ? 1 : 2);
  return all
    .map((one, n) => ({ one, n }))
    .sort((a, b) => a.one.at_s - b.one.at_s || rank(a.one) - rank(b.one) || a.n - b.n)
    .map(({ one }) => one);
}

function change(all: Question[], poll: string, how: (one: Question) => Question): void {
  const place = all.findIndex((one) => one.poll === poll);
  const found = all[place];
  if (found !== undefined) all[place] = how(found);
}

