/** The place of the board on the classroom's page: small, as the page opens with it; what it shows is loaded later. */

import { type Signal, signal, effect } from "@preact/signals";
import type { JSX } from "preact";
import type { ClassroomModel } from "../model";
import type { BoardModel } from "./model";

interface Loaded {
  readonly part: typeof import("./index");
  readonly board: BoardModel;
}

const loaded: Signal<Loaded | null> = signal(null);

/** Nothing is shown yet: the first sound comes before what may be shown later. */
const AFTER_SOUND_MS = 4_000;
const AGAIN_MS = 3_000;

/** Load the board when it is needed, at the latest some seconds after the page has opened: decks come hours ahead. */
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
    else if (page.lessonState.value !== "live" || model.hearing.begun.value) setTimeout(begin, AFTER_SOUND_MS);
  });
}

export function Board(): JSX.Element | null {
  const now = loaded.value;
  return now === null ? null : <now.part.BoardStage board={now.board} />;
}
