/** Texts in the reader's language. A language is ONE file in `src/lang/`; dropping a file there adds it to every page.
 * Knows no text itself. Reading `t` inside a component makes that component follow the language switch. */

import { signal } from "@preact/signals";
import type zhCN from "../lang/zh-CN";
import { recall, remember } from "./storage";

/** Forms of a text that counts something, chosen by `Intl.PluralRules` on the parameter `count`. */
export type Plural = { readonly one?: string; readonly other: string };
export type Text = string | Plural;
export type TextKey = keyof (typeof zhCN)["texts"];
/** All texts of one language. zh-CN is written first, so its keys are the keys. */
export type Texts = { readonly [K in TextKey]: Text };

export interface Language {
  /** BCP 47 tag, as in `<html lang>`. */
  readonly tag: string;
  /** The language's own name for itself. */
  readonly name: string;
  readonly texts: Texts;
}

export type Params = Readonly<Record<string, string | number>>;

const modules = import.meta.glob<{ default: Language }>("../lang/*.ts", { eager: true });

/** Every language there is, Chinese first. */
export const languages: readonly Language[] = Object.keys(modules)
  .map((path) => (modules[path] as { default: Language }).default)
  .sort((a, b) => rank(a.tag) - rank(b.tag) || a.tag.localeCompare(b.tag));

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
  if (found === undefined) throw new Error("no language file");
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

/** The text for `key` in the language shown now. */
export function t(key: TextKey, params: Params = {}): string {
  const found = current();
  return fill(found.texts[key], params, found.tag);
}

/** True when there is a text for `key`: for codes that come from the server. */
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
