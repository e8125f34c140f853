/** The door of the classroom page. */

import { render } from "preact";
import "../style/tokens.css";
import "../style/base.css";
import "../style/live.css";
import "./classroom.css";
import { parseLink } from "../lib/api";
import { applyToDocument } from "../lib/i18n";
import { canDoLive, OldBrowser, WrongLink } from "../ui/Gate";
import { ClassroomPage } from "./ClassroomPage";
import { ClassroomModel } from "./model";
import { keepForNextVisit } from "../sw/register";

applyToDocument();
const root = document.getElementById("app");
const link = parseLink(location.pathname, location.hash);
if (root !== null) {
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
}
// A link pasted over the old one in the same tab is another lesson.
addEventListener("hashchange", () => location.reload());
keepForNextVisit("/class/");
