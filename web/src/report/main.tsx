/** The report page's door: reads the link, then shows the page. */

import { render } from "preact";
import "../style/tokens.css";
import "../style/base.css";
import "./report.css";
import { parseLink } from "../lib/api";
import { addTexts, applyToDocument } from "../lib/i18n";
import { LinkInvalid, Page } from "./Page";

addTexts(import.meta.glob("../lang/*/report.ts", { eager: true }));
applyToDocument();
const root = document.getElementById("app");
const link = parseLink(location.pathname, location.hash);
if (root !== null) render(link === null ? <LinkInvalid /> : <Page link={link} />, root);
// Another link opened in the same tab differs in the fragment only, which loads nothing by itself.
window.addEventListener("hashchange", () => location.reload());
