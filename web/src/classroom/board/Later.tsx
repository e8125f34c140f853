/** The place of the board on the classroom's page: small, as the page opens with it; what it shows is loaded later. */

import { type Signal, computed, effect, signal, untracked } from "@preact/signals";
import type { JSX } from "preact";
import type { ClassroomModel } from "../model";
import type { BoardModel } from "./model";

interface Loaded {
  readonly part: typeof import("./index");
  readonly board: BoardModel;
}

const loaded: Signal<Loaded | null> = signal(null);

/** Whether it is here. */
export const boardHere = computed(() => loaded.value !== null);

const AGAIN_MS = 3_000;

/** Load the board when it is needed, at the latest when the first sound is on its way: decks come hours ahead. Not later than
 * that: on a thin link the picture takes seconds to find its room, and a download in the midst of it takes that away. */
export function loadBoard(model: ClassroomModel): void {
  const { page } = model;
  const part: Signal<Loaded["part"] | null> = signal(null);
  let begun = false;
  const load = (): void => {
    import("./index").then(
      (come) => (part.value = come),
      () => setTimeout(load, AGAIN_MS),
    );
  };
  const begin = (): void => {
    if (!begun) load();
    begun = true;
  };
  effect(() => {
    const { stage, player } = page.board.value;
    const state = page.lessonState.value;
    if (!page.settled.value) return;
    if (model.mediaHere.value || (state !== null && (state !== "live" || stage.stage !== "live" || player !== null))) begin();
  });
  effect(() => {
    const come = part.value;
    if (come === null || page.view.value === null || loaded.peek() !== null) return;
    loaded.value = untracked(() => ({ part: come, board: come.open(model) }));
  });
}

export function Board(): JSX.Element | null {
  const now = loaded.value;
  return now === null ? null : <now.part.BoardStage board={now.board} />;
}
