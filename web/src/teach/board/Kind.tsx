/** The kind of lesson, which sound and picture follow. */

import type { JSX } from "preact";
import type { Mode } from "../../generated/messages";
import { t } from "../../lib/i18n";
import { StatusLine } from "../../ui/StatusLine";
import type { Desk } from "./desk";

const MODES: readonly Mode[] = ["speech", "music", "detail", "motion"];

/** `group` names the radio buttons: two of these may stand in one page. */
export function Kind({ desk, group }: { readonly desk: Desk; readonly group: string }): JSX.Element {
  const chosen = desk.board.value.mode;
  return (
    <fieldset class="kind" data-test="kind" disabled={!desk.leads.value}>
      <legend class="field-label">{t("kind.of")}</legend>
      <div class="kind-row">
        {MODES.map((mode) => (
          <label key={mode} class={`kind-one${mode === chosen ? " kind-chosen" : ""}`}>
            <input
              type="radio"
              name={group}
              value={mode}
              checked={mode === chosen}
              onChange={() => desk.setMode(mode)}
              data-test={`kind-${mode}`}
            />
            <span>{t(`kind.${mode}`)}</span>
          </label>
        ))}
      </div>
      {!desk.leads.value && <p class="soft">{t("error.lead_only")}</p>}
      <StatusLine tone={chosen === "music" ? "weak" : "note"} text={t(`kind.${chosen}.means`)} class="kind-means" />
    </fieldset>
  );
}
