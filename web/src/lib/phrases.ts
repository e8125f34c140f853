/** Short sentences of the adults' chat that every reader reads in the own language: they travel as codes, `#sign:ready`.
 * Brings their texts along, as every page that shows a chat shows them. A code that this page does not know, of a newer
 * page, is shown as it came. */

import type { Role } from "../generated/messages";
import { addTexts, hasText, t } from "./i18n";

addTexts(import.meta.glob("../lang/*/phrases.ts", { eager: true }));

/** What each side can say with one press. */
export const PHRASES = {
  teacher: ["ready_ask", "wait", "louder", "quieter", "closer", "turn_camera", "go_on", "thanks"],
  classroom: ["ready", "wait", "more_time", "finished", "too_small", "too_hard", "thanks"],
} as const;

const CODE = /^#sign:([a-z_]{1,40})$/;

/** What travels for a phrase. */
export function phraseText(code: string): string {
  return `#sign:${code}`;
}

/** A line of chat as the reader is to read it. */
export function read(text: string): string {
  const code = CODE.exec(text)?.[1];
  if (code === undefined) return text;
  const key = `phrase.${code}`;
  return hasText(key) ? t(key) : text;
}

/** The phrases of one side, as its reader reads them. */
export function phrasesOf(role: Role): readonly { readonly code: string; readonly words: string }[] {
  return PHRASES[role].map((code) => ({ code, words: t(`phrase.${code}`) }));
}
