/** The quiet pill of a room that plays what it missed: how far behind, and the way to the live lesson. */

import type { JSX } from "preact";
import { t } from "../lib/i18n";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import type { ClassroomModel } from "./model";

/** From here on it is told in minutes. */
const IN_MINUTES_FROM_S = 90;
/** Seconds are told in steps, as a figure that changes all the time draws every eye. */
const STEP_S = 5;

/** "4 minutes behind, catching up". */
export function behindText(seconds: number): string {
  return seconds >= IN_MINUTES_FROM_S
    ? t("class.behind.minutes", { count: Math.round(seconds / 60) })
    : t("class.behind.seconds", { count: Math.max(1, Math.ceil(seconds / STEP_S) * STEP_S) });
}

export function Behind({ model }: { readonly model: ClassroomModel }): JSX.Element | null {
  if (model.hearing.finishing.value) return <Finishing model={model} />;
  const behind = model.hearing.behindS.value;
  if (!model.hearing.playsRecording.value || behind === null) return null;
  const stays = model.hearing.phase.value === "following";
  return (
    <div class="behind" data-test="behind" data-phase={model.hearing.phase.value}>
      <p class="behind-words">
        <Icon name="wait" />
        <span role="status">{stays ? t("class.behind.stay") : behindText(behind)}</span>
      </p>
      {!stays && <Button label={t("class.behind.jump")} look="primary" onPress={() => model.hearing.jump()} test="jump" />}
    </div>
  );
}

/** The lesson is over for the others. */
function Finishing({ model }: { readonly model: ClassroomModel }): JSX.Element {
  return (
    <div class="behind" data-test="behind" data-phase="finishing">
      <p class="behind-words">
        <Icon name="wait" />
        <span role="status">{t("class.behind.over")}</span>
      </p>
      <Button label={t("class.behind.stop")} look="primary" onPress={() => model.hearing.jump()} test="stop" />
    </div>
  );
}
