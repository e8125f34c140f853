/** The blackboard, loaded when it is first needed (a dynamic import of this file). Brings its own texts and its own sheet. */

import { addTexts } from "../lib/i18n";

addTexts(import.meta.glob("../lang/*/board.ts", { eager: true }));

export { FIRST_CHOICE, heldOf, type Choice } from "./choice";
export type { HandMessage, Held } from "./pen";
export { afterEvent, inksOf, knows, noPages, spotOf, withPage, type Pages, type StrokeEvent } from "./state";
export type { Ink } from "./strokes";
export { Surface, type Spot, type SurfaceProps } from "./Surface";
export { Tools, type PageTurner, type ToolsProps } from "./Tools";
