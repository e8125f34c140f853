/** Brings the volunteer's board - stage, materials, player - as a chunk of its own, soon after the page is there: before that
 * the page shows live pictures, which need none of it. */

import { signal } from "@preact/signals";
import type { TeachModel } from "../model";
import type { Desk } from "./desk";

export interface BoardPart {
  readonly desk: Desk;
  readonly ui: typeof import("./index");
}

/** Null until it is there. */
export const boardPart = signal<BoardPart | null>(null);

const AGAIN_AFTER_MS = 3_000;

/** Load it, however long the network takes. */
export function loadBoard(model: TeachModel): void {
  import("./index").then(
    (ui) => {
      boardPart.value = { ui, desk: ui.openDesk(model) };
    },
    () => setTimeout(() => loadBoard(model), AGAIN_AFTER_MS),
  );
}
