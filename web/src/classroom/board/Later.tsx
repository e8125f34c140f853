/** The place of the board on the classroom's page: small, as the page opens with it; what it shows is loaded later. */

import { type Signal, computed, effect, signal } from "@preact/signals";
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
  let begun = false;
  const load = (): void => {
    import("./index").then(
      (part) => (loaded.value = { part, board: part.open(model) }),
      () => setTimeout(load, AGAIN_MS),
    );
  };
  const begin = (): void => {
    if (!begun) load();
    begun = true;
  };
  effect(() => {
    const { stage, player } = page.board.value;
    if (!page.settled.value || page.view.value === null) return;
    if (stage.stage !== "live" || player !== null) begin();
    else if (page.lessonState.value !== "live" || model.mediaHere.value) begin();
  });
}

export function Board(): JSX.Element | null {
  const now = loaded.value;
  return now === null ? null : <now.part.BoardStage board={now.board} />;
}
