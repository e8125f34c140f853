/** Beside the stage while a page or a film stands on it: the way back to the live picture, and what comes next. */

import type { JSX } from "preact";
import { t } from "../../lib/i18n";
import { Button } from "../../ui/Button";
import type { Desk } from "./desk";

export function Beside({ desk }: { readonly desk: Desk }): JSX.Element | null {
  if (desk.stage.value.stage === "live") return null;
  const next = desk.next.value;
  const sheet = desk.sheet.value;
  // The smallest that is still sharp at this size; it is the first to be here, too.
  const small = next?.backgrounds[Math.max(0, next.backgrounds.length - 2)];
  return (
    <div class="board-beside">
      <Button label={t("stage.back")} icon="camera" disabled={!desk.leads.value} onPress={() => desk.showLive()} test="back-live" />
      {next !== null && (
        <button
          type="button"
          class="board-next"
          disabled={!desk.leads.value}
          onClick={() => desk.turn(next.at)}
          data-test="next-slide"
        >
          <span class="board-next-word">{t("stage.next", { at: next.at })}</span>
          {small !== undefined && <img src={small} alt="" />}
        </button>
      )}
      {next === null && sheet !== null && !sheet.blank && sheet.of > 1 && <p class="soft board-last">{t("stage.last")}</p>}
    </div>
  );
}
