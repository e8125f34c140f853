/** What is loaded when the first sound is here: every part of the classroom's unit, with its texts and its sheet. */

import "./question.css";
import "./unit.css";
import { addTexts } from "../../lib/i18n";
import { Heads, Settings } from "./Asked";
import { Edge } from "./Edge";
import { Stage } from "./Stage";
import { Tools } from "./Tools";
import type { Part, Place } from "./Unit";

addTexts(import.meta.glob("../../lang/*/unit.ts", { eager: true }));

export const PARTS: Readonly<Record<Place, Part>> = { waiting: Heads, menu: Settings, tools: Tools, edge: Edge, stage: Stage };
