/** The door of the teach page. */

import { render } from "preact";
import "../style/tokens.css";
import "../style/base.css";
import "../lib/sheets";
import "../ui/work-icons";
import "../style/live.css";
import "./before.css";
import "./lesson.css";
import "./bar.css";
import "./class/rooms.css";
import "./class/panels.css";
import { parseLink } from "../lib/api";
import { addTexts, applyToDocument } from "../lib/i18n";
import { keepForNextVisit } from "../sw/register";
import { canDoLive, OldBrowser, WrongLink } from "../ui/Gate";
import { loadBoard } from "./board/load";
import { TeachModel } from "./model";
import { TeachPage } from "./TeachPage";

addTexts(import.meta.glob(["../lang/*/live.ts", "../lang/*/teach.ts"], { eager: true }));
applyToDocument();
const root = document.getElementById("app");
const link = parseLink(location.pathname, location.hash);
if (root !== null) {
  if (link === null) {
    render(<WrongLink />, root);
  } else if (!canDoLive()) {
    render(<OldBrowser replayUrl="" />, root);
  } else {
    const model = new TeachModel(link);
    model.start();
    render(<TeachPage model={model} />, root);
    loadBoard(model);
  }
}
// A link pasted over the old one in the same tab is another lesson.
addEventListener("hashchange", () => location.reload());
keepForNextVisit("/teach/");
