/** The replay page's door: reads the link, then shows the page. */

import { render } from "preact";
import "../style/tokens.css";
import "../style/base.css";
import "../lib/sheets";
import "../ui/work-icons";
import "./replay.css";
import { parseLink } from "../lib/api";
import { addTexts, applyToDocument } from "../lib/i18n";
import { LinkInvalid, Page } from "./Page";
import { hasMediaSource, loadHls } from "./feed";

addTexts(import.meta.glob("../lang/*/replay.ts", { eager: true }));
applyToDocument();
// In parallel with the first question to the server; a failed fetch is tried again when it is needed.
if (hasMediaSource()) loadHls().catch(() => undefined);

const root = document.getElementById("app");
const link = parseLink(location.pathname, location.hash);
if (root !== null) render(link === null ? <LinkInvalid /> : <Page link={link} />, root);
// Another link opened in the same tab differs in the fragment only, which loads nothing by itself.
window.addEventListener("hashchange", () => location.reload());
