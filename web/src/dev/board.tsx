/** The blackboard without a server: a page full of strokes of every kind, and the palette. What is drawn here is told back after a
 * while, as a server would. Part of no page. */

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { afterEvent, FIRST_CHOICE, heldOf, inksOf, noPages, Surface, Tools, withPage, type HandMessage, type Pages, type Spot, type StrokeEvent } from "../board/index";
import type { Stroke } from "../generated/messages";
import { flatten, type StrokeTool } from "../board/strokes";

const ROUND_TRIP_MS = 400;

let count = 0;
function stroke(tool: StrokeTool, color: string, width: number, points: number[], text?: string): Stroke {
  return { id: `sample-${count++}`, by: "t1", tool, color, width, points, ...(text === undefined ? {} : { text }) };
}

/** A curve by the hand: points at every hundredth of the way. */
function curve(along: (part: number) => [x: number, y: number, pressure: number]): number[] {
  const at: number[] = [];
  for (let n = 0; n <= 100; n++) at.push(...along(n / 100).map(Math.round));
  return flatten(at);
}

function samples(zh: boolean): Stroke[] {
  return [
    stroke("text", "#1e2a2f", 620, [700, 420, 50], zh ? "春天来了" : "Spring is here"),
    stroke("highlighter", "#f0b400", 400, curve((part) => [720 + part * (zh ? 2_400 : 3_700), 850 + Math.sin(part * 9) * 30, 50])),
    stroke("pen", "#0072b2", 45, curve((part) => [700 + part * (zh ? 2_500 : 3_900), 1_330 + Math.sin(part * 22) * 60, 30 + part * 60])),
    stroke("text", "#009e73", 380, [700, 1_800, 50], zh ? "小草从土里钻出来，\n嫩嫩的，绿绿的。" : "Grass comes up,\ntender and green."),
    stroke("ellipse", "#f0b400", 90, [7_300, 900, 50, 8_700, 2_300, 50]),
    ...[0, 1, 2, 3, 4, 5, 6, 7].map((n) => {
      const [cos, sin] = [Math.cos((n * Math.PI) / 4), Math.sin((n * Math.PI) / 4)];
      return stroke("line", "#f0b400", 45, [8_000 + 850 * cos, 1_600 + 850 * sin, 50, 8_000 + 1_150 * cos, 1_600 + 1_150 * sin, 50].map(Math.round));
    }),
    stroke("rectangle", "#1e2a2f", 45, [5_300, 3_500, 50, 7_000, 4_900, 50]),
    stroke("line", "#d5400c", 60, [5_100, 3_520, 50, 6_150, 2_700, 50]),
    stroke("line", "#d5400c", 60, [7_200, 3_520, 50, 6_150, 2_700, 50]),
    ...[0, 1, 2, 3, 4, 5].map((n) =>
      stroke("pen", "#009e73", 70, curve((part) => [900 + n * 620 + Math.sin(part * 2 + n) * 160 * part, 5_150 - part * (700 + (n % 3) * 260), 85 - part * 75])),
    ),
    ...[0, 1, 2].map((n) =>
      stroke("pen", "#cc79a7", 45, curve((part) => [1_350 + n * 1_240 + Math.cos(part * 12.6) * (60 + part * 130), 4_100 + (n % 2) * 260 + Math.sin(part * 12.6) * (60 + part * 130), 60])),
    ),
    stroke("pen", "#1e2a2f", 45, curve((part) => [7_900 + part * 1_300, 4_700 - Math.abs(Math.sin(part * 9.4)) * 600, 20 + 70 * Math.abs(Math.sin(part * 9.4))])),
  ];
}

/** As many strokes as a page may hold: an hour of writing. */
function full(): Stroke[] {
  const strokes: Stroke[] = [];
  for (let n = 0; n < 2_000; n++) {
    const [x, y] = [150 + (n % 50) * 195, 120 + Math.floor(n / 50) * 135];
    const points: number[] = [];
    for (let k = 0; k < 20; k++) points.push(x + k * 7, Math.round(y + Math.sin(k * 0.9 + n) * 45), 30 + ((k * 7 + n) % 50));
    strokes.push(stroke("pen", ["#1e2a2f", "#0072b2", "#d5400c"][n % 3] ?? "", 25, flatten(points)));
  }
  return strokes;
}

/** Addresses of slide `at`, best first. Nothing lies there unless a test answers. */
function slide(at: number): readonly string[] {
  return ["l", "s", "thumb"].map((size) => `/slides/${at}-${size}.png`);
}

/** `clear` has asked whether to; `watch` is a classroom that may not draw. */
export type BoardKind = "blank" | "full" | "clear" | "slides" | "classroom" | "watch";

export function BoardStory({ kind, zh }: { kind: BoardKind; zh: boolean }): JSX.Element {
  const slides = kind === "slides";
  const [pages, setPages] = useState<Pages>(() => withPage(noPages(true), "b.1", kind === "full" ? full() : samples(zh)));
  const [choice, setChoice] = useState(FIRST_CHOICE);
  const [at, setAt] = useState(1);
  const [pointer, setPointer] = useState<Spot | null>({ x: 6_150, y: 4_200 });
  const few = kind === "classroom";
  const page = `b.${at}`;

  useEffect(() => {
    if (kind !== "clear") return;
    document.querySelector<HTMLButtonElement>("[data-test=board-clear]")?.click();
  }, []);

  const happened = (event: StrokeEvent): void => void setTimeout(() => setPages((now) => afterEvent(now, event, "me")), ROUND_TRIP_MS);
  const draw = (message: HandMessage): void => {
    if (message.type === "draw") {
      happened({ ...message, type: "stroke_begun", done: message.tool === "text" });
    } else if (message.type === "draw_more") {
      happened({ ...message, type: "stroke_grew", page });
    } else if (message.type === "erase") {
      happened({ type: "strokes_hidden", page: message.page, ids: message.ids, cause: "erase" });
    } else {
      setTimeout(() => setPointer("off" in message ? null : message), ROUND_TRIP_MS);
    }
  };
  const command = (what: "undo" | "redo" | "clear"): void => {
    const inks = inksOf(pages, page);
    const ids = inks.filter((one) => one.gone === (what === "redo")).map((one) => one.id);
    happened({ type: what === "redo" ? "strokes_shown" : "strokes_hidden", page, ids: what === "clear" ? ids : ids.slice(-1), cause: what });
  };

  return (
    <main data-theme="stage" style={{ height: "100vh", background: "var(--paper)" }}>
      <h1 class="visually-hidden">{zh ? "白板" : "Blackboard"}</h1>
      <div class={`board-desk${few ? " board-desk-few" : ""}`}>
        {kind !== "watch" && (
          <Tools
            choice={choice}
            onChoice={setChoice}
            onCommand={command}
            few={few}
            pages={few ? undefined : { at, of: 12, onTurn: setAt, onNew: () => setAt(12) }}
          />
        )}
        <Surface
          page={page}
          aspect={slides ? 3 / 4 : 9 / 16}
          backgrounds={slides ? slide(at) : []}
          strokes={inksOf(pages, page)}
          pointer={pointer}
          label={zh ? "白板" : "Blackboard"}
          held={kind === "watch" ? null : heldOf(choice)}
          onDraw={draw}
        />
      </div>
    </main>
  );
}
