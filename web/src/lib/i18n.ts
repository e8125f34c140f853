/** Texts in the reader's language. A language is ONE folder in `src/lang/`; dropping a folder there adds it to every page.
 * Knows no text itself, and loads only what every page says: each page adds its own files (`addTexts`), so that none carries
 * the texts of another. Reading `t` inside a component makes that component follow the language switch. */

import { signal } from "@preact/signals";
import type chineseBoard from "../lang/zh-CN/board";
import type chineseClassBoard from "../lang/zh-CN/classboard";
import type chineseClass from "../lang/zh-CN/class";
import type chineseCommon from "../lang/zh-CN/common";
import type chineseHome from "../lang/zh-CN/home";
import type chineseLive from "../lang/zh-CN/live";
import type chinesePhrases from "../lang/zh-CN/phrases";
import type chineseReplay from "../lang/zh-CN/replay";
import type chineseRooms from "../lang/zh-CN/rooms";
import type chineseReport from "../lang/zh-CN/report";
import type chineseTeach from "../lang/zh-CN/teach";
import type chineseUnit from "../lang/zh-CN/unit";
import type chineseTeachboard from "../lang/zh-CN/teachboard";
import { recall, remember } from "./storage";

/** Forms of a text that counts something, chosen by `Intl.PluralRules` on the parameter `count`. */
export type Plural = { readonly one?: string; readonly other: string };
export type Text = string | Plural;
/** zh-CN is written first, so its keys are the keys. */
export type TextKey =
  | keyof typeof chineseCommon
  | keyof typeof chineseLive
  | keyof typeof chineseHome
  | keyof typeof chineseClass
  | keyof typeof chineseTeach
  | keyof typeof chineseReplay
  | keyof typeof chineseReport
  | keyof typeof chineseBoard
  | keyof typeof chinesePhrases
  | keyof typeof chineseUnit
  | keyof typeof chineseTeachboard
  | keyof typeof chineseClassBoard
  | keyof typeof chineseRooms;
/** What a file of another language must hold: each text of the Chinese file of its name, and nothing else. */
export type Translated<Chinese> = { readonly [K in keyof Chinese]: Text };

export interface Language {
  /** BCP 47 tag, as in `<html lang>`; the folder's name. */
  readonly tag: string;
  /** Those that this page has added. */
  readonly texts: Partial<Record<TextKey, Text>>;
}

/** Files of `src/lang/` by their paths, `.../<tag>/<file>.ts`. */
export type TextFiles = Readonly<Record<string, { readonly default: Language["texts"] }>>;

export type Params = Readonly<Record<string, string | number>>;

const common: TextFiles = import.meta.glob("../lang/*/common.ts", { eager: true });

function tagOf(path: string): string {
  return path.split("/").slice(-2)[0] ?? "";
}

/** Every language there is, Chinese first. */
export const languages: readonly Language[] = Object.keys(common)
  .map((path) => ({ tag: tagOf(path), texts: {} }))
  .sort((a, b) => rank(a.tag) - rank(b.tag) || a.tag.localeCompare(b.tag));

addTexts(common);

/** Make the texts of `files` sayable. A page calls it once, before it shows anything. */
export function addTexts(files: TextFiles): void {
  for (const path of Object.keys(files)) {
    const into = languages.find((one) => one.tag === tagOf(path));
    if (into !== undefined) Object.assign(into.texts, files[path]?.default);
  }
}

function rank(tag: string): number {
  return tag === "zh-CN" ? 0 : tag === "en" ? 1 : 2;
}

/** The first language of `wanted` (BCP 47 tags, best first) that is in `available`; English when none is. */
export function bestLanguage(wanted: readonly string[], available: readonly string[]): string {
  for (const tag of wanted) {
    const lower = tag.toLowerCase();
    const exact = available.find((one) => one.toLowerCase() === lower);
    if (exact !== undefined) return exact;
    const primary = lower.split("-")[0];
    const near = available.find((one) => one.toLowerCase().split("-")[0] === primary);
    if (near !== undefined) return near;
  }
  return available.indexOf("en") >= 0 ? "en" : (available[0] ?? "en");
}

function initial(): string {
  const stored = recall("language");
  const wanted = stored === null ? [] : [stored];
  const own = typeof navigator === "undefined" ? [] : (navigator.languages ?? [navigator.language]);
  return bestLanguage(
    wanted.concat(own),
    languages.map((one) => one.tag),
  );
}

/** The tag of the language shown now. */
export const language = signal(initial());

/** Show another language from now on, here and in this browser's next visit. */
export function setLanguage(tag: string): void {
  language.value = tag;
  remember("language", tag);
  applyToDocument();
}

/** Set `<html lang>`, which chooses glyph shapes and the screen reader's voice. */
export function applyToDocument(): void {
  document.documentElement.lang = language.value;
}

function current(): Language {
  const found = languages.find((one) => one.tag === language.value) ?? languages[0];
  if (found === undefined) throw new Error("no language");
  return found;
}

/** Put `params` into a text: `{name}` is replaced by `params.name`, a plural form is chosen by `params.count`. */
export function fill(text: Text, params: Params, tag: string): string {
  const form = typeof text === "string" ? text : pluralForm(text, Number(params["count"] ?? 0), tag);
  return form.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = params[name];
    if (value === undefined) return whole;
    return typeof value === "number" ? new Intl.NumberFormat(tag).format(value) : value;
  });
}

function pluralForm(text: Plural, count: number, tag: string): string {
  const rule = new Intl.PluralRules(tag).select(count);
  return rule === "one" && text.one !== undefined ? text.one : text.other;
}

/** The text for `key` in the language shown now. That the page has added it is what `lang/lang.test.ts` sees to. */
export function t(key: TextKey, params: Params = {}): string {
  const found = current();
  return fill(found.texts[key] ?? key, params, found.tag);
}

/** True when this page has a text for `key`: for codes that come from the server. */
export function hasText(key: string): key is TextKey {
  return Object.prototype.hasOwnProperty.call(current().texts, key);
}

/** A time of day as this language writes it, hours and minutes. */
export function timeOfDay(ms: number): string {
  return new Intl.DateTimeFormat(language.value, { hour: "numeric", minute: "2-digit" }).format(new Date(ms));
}

/** A day and time as this language writes it. */
export function dayAndTime(ms: number): string {
  return new Intl.DateTimeFormat(language.value, {
    month: "long",
    day: "numeric",
    weekday: "short",
    hour: "numeric",
    minute: "2-digit",
  }).format(new Date(ms));
}

/** A span as a clock: `0:07`, `12:30`, `1:02:03`. The same in every language. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const h = Math.floor(whole / 3600);
  const m = Math.floor((whole % 3600) / 60);
  const s = whole % 60;
  const two = (n: number): string => (n < 10 ? `0${n}` : `${n}`);
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
