/** The volunteer's stage and materials: a chunk of its own, with its texts and its sheets. */

import "./stage.css";
import "./materials.css";
import { addTexts } from "../../lib/i18n";
import type { TeachModel } from "../model";
import { Desk } from "./desk";

addTexts(import.meta.glob("../../lang/*/teachboard.ts", { eager: true }));

/** Begin to follow the lesson's board. */
export function openDesk(model: TeachModel): Desk {
  return new Desk(model);
}

export { BarButtons } from "./BarButtons";
export { BeforePart } from "./BeforePart";
export { Beside } from "./Beside";
export { DocumentField } from "./DocumentCamera";
export { Drawer } from "./Drawer";
export { Kind } from "./Kind";
export { MarkButton } from "./MarkButton";
export { PlayerStrip } from "./PlayerStrip";
export { BoardStage, FreezeButton } from "./Stage";
