/** The classroom page behind its door. */

import "../lib/sheets";
import { render } from "preact";
import type { PageLink } from "../lib/api";
import { addTexts, applyToDocument } from "../lib/i18n";
import { keepForNextVisit } from "../sw/register";
import { canDoLive, OldBrowser, WrongLink } from "../ui/Gate";
import { ClassroomPage } from "./ClassroomPage";
import { ClassroomModel } from "./model";

addTexts(import.meta.glob(["../lang/*/live.ts", "../lang/*/class.ts"], { eager: true }));

/** Show the page of `link`; null: the address is none. */
export function open(link: PageLink | null): void {
  applyToDocument();
  const root = document.getElementById("app");
  if (root === null) return;
  if (link === null) {
    render(<WrongLink />, root);
  } else if (!canDoLive()) {
    // Whether the classroom's link opens the replay is the operator's choice, unknown here: no way is better than a dead one.
    render(<OldBrowser replayUrl="" />, root);
  } else {
    const model = new ClassroomModel(link);
    model.start();
    render(<ClassroomPage model={model} />, root);
  }
  keepForNextVisit("/class/");
}
