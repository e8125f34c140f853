/** The line of time: seek by mouse, touch or keys; shows what is fetched, where screens are shown, and where the parts of
 * a broken lesson join. */

import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { clock, t } from "../lib/i18n";
import type { Controller } from "./controller";
import { momentText } from "./Moments";
import type { OpenBook } from "./load";
import type { Moment } from "./model";
import type { Chapter } from "./outline";

const PER_CENT = 100;

export interface TimelineProps {
  readonly controller: Controller;
  readonly moments: readonly Moment[];
  readonly open: OpenBook | null;
}

export function Timeline({ controller, moments, open }: TimelineProps): JSX.Element {
  const line = useRef<HTMLDivElement>(null);
  const [hover_s, setHover] = useState<number | null>(null);
  const [dragged, setDragged] = useState(false);
  const end_s = controller.end_s.value;
  const position_s = controller.position_s.value;
  const share = (at_s: number): string => `${end_s > 0 ? Math.max(0, Math.min(1, at_s / end_s)) * PER_CENT : 0}%`;
  const secondAt = (event: PointerEvent): number => {
    const box = line.current?.getBoundingClientRect();
    if (box === undefined || box.width === 0) return 0;
    return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * end_s;
  };
  const chapters = open === null ? [] : open.book.chapters.value;
  const chapter = hover_s === null ? null : near(chapters, hover_s, end_s);
  const moment = hover_s === null || open !== null ? null : near(moments, hover_s, end_s);
  return (
    <div
      class={`replay-seek${dragged ? " is-dragged" : ""}`}
      data-test="seek"
      role="slider"
      tabIndex={0}
      aria-label={t("replay.seek")}
      aria-valuemin={0}
      aria-valuemax={Math.round(end_s)}
      aria-valuenow={Math.round(position_s)}
      aria-valuetext={t("replay.seek.value", { time: clock(position_s), end: clock(end_s) })}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        setDragged(true);
        setHover(secondAt(event));
        controller.drag(secondAt(event));
      }}
      onPointerMove={(event) => {
        setHover(secondAt(event));
        if (dragged) controller.drag(secondAt(event));
      }}
      onPointerUp={(event) => {
        if (!dragged) return;
        setDragged(false);
        controller.drag(null);
        controller.seek(secondAt(event));
      }}
      onPointerCancel={() => {
        setDragged(false);
        controller.drag(null);
      }}
      onPointerLeave={() => setHover(null)}
    >
      <div class="replay-line" ref={line}>
        {controller.buffered.value.map(([from_s, to_s]) => (
          <span key={from_s} class="replay-fetched" style={{ left: share(from_s), width: share(to_s - from_s) }} />
        ))}
        {controller.replay.value.clips.map((clip) => (
          <span
            key={clip.id}
            class={`replay-span is-${clip.kind}`}
            style={{
              left: share(clip.starts_at_s),
              width: share((clip.ended ? clip.duration_s : end_s - clip.starts_at_s)),
            }}
          />
        ))}
        <span class="replay-played" style={{ width: share(position_s) }} />
        {moments
          .filter((one) => one.kind === "part")
          .map((one) => (
            <span key={one.at_s} class="replay-join" style={{ left: share(one.at_s) }} />
          ))}
        {chapters.filter(isMarked).map((one, n) => (
          <span key={n} class={`replay-mark is-${one.kind}`} style={{ left: share(one.at_s) }} data-test="mark" />
        ))}
        <span class="replay-knob" style={{ left: share(position_s) }} />
      </div>
      {hover_s !== null && (
        <span class={`replay-hover${edge(hover_s, end_s)}`} style={{ left: share(hover_s) }} aria-hidden="true">
          {open !== null && <open.ui.Peek book={open.book} at_s={hover_s} />}
          {clock(hover_s)}
          {chapter !== null && open !== null && <span>{open.ui.chapterText(chapter)}</span>}
          {moment !== null && <span>{momentText(moment)}</span>}
        </span>
      )}
    </div>
  );
}

/** Screens and voices have their span on the line, and joins their gap. */
function isMarked(chapter: Chapter): boolean {
  return chapter.kind !== "moment";
}

/** What is under the pointer: the nearest within a hundredth of the line. */
function near<T extends { readonly at_s: number }>(all: readonly T[], at_s: number, end_s: number): T | null {
  let found: T | null = null;
  for (const one of all) {
    const far = Math.abs(one.at_s - at_s);
    if (far < end_s / PER_CENT && (found === null || far < Math.abs(found.at_s - at_s))) found = one;
  }
  return found;
}

/** Near an end of the line the words stay within it. */
function edge(at_s: number, end_s: number): string {
  if (at_s < end_s * 0.15) return " is-first";
  return at_s > end_s * 0.85 ? " is-last" : "";
}
