/** Choose the language of the page; each language is named by itself. */

import type { JSX } from "preact";
import { language, languages, setLanguage, t } from "../lib/i18n";
import { Icon } from "./Icon";

export function LanguageSwitch(): JSX.Element {
  return (
    <label class="language-switch">
      <Icon name="language" />
      <span class="visually-hidden">{t("language")}</span>
      <select
        data-test="language"
        value={language.value}
        onChange={(event) => setLanguage(event.currentTarget.value)}
      >
        {languages.map((one) => (
          <option key={one.tag} value={one.tag} lang={one.tag}>
            {one.texts["language.name"]}
          </option>
        ))}
      </select>
    </label>
  );
}
