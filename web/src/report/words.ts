/** The report's sentences: what stands in `model.ts` as figures, in the language of the reader. */

import { language, t, timeOfDay } from "../lib/i18n";
import type { Sentence } from "../ui/StatusLine";
import { type Report, type Room, heardAll, minutes, stayedThroughout } from "./model";

/** A span in whole minutes. */
export function span(seconds: number): string {
  return t("report.minutes", { count: minutes(seconds) });
}

/** The day and the hours of the lesson. */
export function when(report: Report): string {
  if (report.started_at_ms === null) return "";
  const day = new Intl.DateTimeFormat(language.value, { year: "numeric", month: "long", day: "numeric", weekday: "short" });
  return `${day.format(new Date(report.started_at_ms))} ${hours(report.started_at_ms, report.ended_at_ms)}`;
}

/** `9:02–9:42`; without an end, the beginning alone. */
function hours(from_ms: number, until_ms: number | null): string {
  return until_ms === null ? timeOfDay(from_ms) : `${timeOfDay(from_ms)}–${timeOfDay(until_ms)}`;
}

/** How long a room was there, in a word or two, and from when to when. */
export function there(room: Room, report: Report): { readonly words: string; readonly hours: string } {
  if (stayedThroughout(room, report.duration_s)) return { words: t("report.there.whole"), hours: "" };
  const known = room.first_at_ms !== null && room.last_at_ms !== null;
  return { words: span(room.present_s), hours: known ? hours(room.first_at_ms, room.last_at_ms) : "" };
}

/** Whether it heard everything, and how. */
export function heard(room: Room): Pick<Sentence, "tone"> & { readonly text: string } {
  if (room.owed_s > 0) return { tone: "wait", text: t("report.heard.owed", { span: span(room.owed_s) }) };
  const caught = room.behind_s > 0;
  if (!heardAll(room)) return { tone: "weak", text: t("report.heard.missed", { span: span(room.missed_s) }) };
  return { tone: "good", text: t(caught ? "report.heard.caught" : "report.heard.all") };
}

/** Hands and signs, one line each; none: an empty list. */
export function asked(room: Room): readonly string[] {
  const lines = room.hands > 0 ? [t("report.hands", { count: room.hands })] : [];
  const signs: readonly string[] = [
    said("cannot_hear", t("report.sign.cannot_hear")),
    said("cannot_see", t("report.sign.cannot_see")),
    said("slower", t("report.sign.slower")),
    said("again", t("report.sign.again")),
  ];
  return lines.concat(signs.filter((line) => line !== ""));

  function said(sign: string, word: string): string {
    const count = room.signs[sign] ?? 0;
    return count === 0 ? "" : t("report.sign", { sign: word, times: count });
  }
}

/** A share as whole percent. */
export function percent(share: number): string {
  return new Intl.NumberFormat(language.value, { style: "percent" }).format(share);
}

/** The name of the downloaded table: what no file system minds. */
export function fileName(report: Report): string {
  const title = report.lesson.title.replace(/[\s\\/:*?"<>|\u0000-\u001f]+/g, " ").trim() || report.lesson.id;
  const day = report.started_at_ms === null ? "" : `-${localDay(report.started_at_ms)}`;
  return `${title.slice(0, 80)}${day}.csv`;
}

function localDay(ms: number): string {
  const date = new Date(ms);
  const two = (n: number): string => (n < 10 ? `0${n}` : `${n}`);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}
