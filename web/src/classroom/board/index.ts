/** Slides, strokes, songs and films in the classroom: loaded once the lesson's sound has had the link to itself. */

import { addTexts } from "../../lib/i18n";
import type { ClassroomModel } from "../model";
import { BoardModel } from "./model";

addTexts(import.meta.glob("../../lang/*/classboard.ts", { eager: true }));

export { BoardStage } from "./Stage";

/** Begin to fetch what is taught with, and to follow what is shown. */
export function open(model: ClassroomModel): BoardModel {
  const board = new BoardModel(model);
  board.start();
  return board;
}
