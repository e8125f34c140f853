/** The door of the home page: what this is, and that one needs a link. */

import { render } from "preact";
import "../style/tokens.css";
import "../style/base.css";
import { addTexts, applyToDocument, t } from "../lib/i18n";
import { MessagePage } from "../ui/MessagePage";

function Home(): preact.JSX.Element {
  document.title = t("home.title");
  return (
    <MessagePage title={t("home.title")} text={t("home.text")}>
      <p>{t("home.links")}</p>
    </MessagePage>
  );
}

addTexts(import.meta.glob("../lang/*/home.ts", { eager: true }));
applyToDocument();
const root = document.getElementById("app");
if (root !== null) render(<Home />, root);
