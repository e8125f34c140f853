/** The door of the classroom page: small, so that it runs while the rest is on its way. It asks for the lesson's sound, and
 * opens the page. */

import "../style/tokens.css";
import "../style/base.css";
import "../style/live.css";
import "./classroom.css";
import { parseLink } from "../lib/api";
import { headStart } from "../lib/head-start";

const link = parseLink(location.pathname, location.hash);
const asked = link === null ? null : headStart(link, "classroom");
const parsed = new Promise<void>((done) => {
  if (document.readyState !== "loading") done();
  else document.addEventListener("DOMContentLoaded", () => done(), { once: true });
});
void Promise.all([import("./page"), parsed, asked]).then(([page]) => page.open(link));
// A link pasted over the old one in the same tab is another lesson.
addEventListener("hashchange", () => location.reload());
