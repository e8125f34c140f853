/** The list of moments beside the stage: screens, second voices, classrooms, and where the lesson was interrupted. */

import type { JSX } from "preact";
import { clock, t, timeOfDay } from "../lib/i18n";
import { Icon, type IconName } from "../ui/Icon";
import type { Controller } from "./controller";
import type { Moment } from "./model";

export const MOMENT_ICONS: Readonly<Record<Moment["kind"], IconName>> = {
  part: "retry",
  screen: "screen",
  voice: "microphone",
  classroom: "people",
};

/** One moment in words. */
export function momentText(moment: Moment): string {
  switch (moment.kind) {
    case "part":
      return t("replay.moment.part", { time: timeOfDay(moment.began_at_ms) });
    case "screen":
      return t("replay.moment.screen", { name: moment.name });
    case "voice":
      return t("replay.moment.voice", { name: moment.name });
    case "classroom":
      return t("replay.moment.classroom", { name: moment.name });
  }
}

export function Moments({ moments, controller }: { moments: readonly Moment[]; controller: Controller }): JSX.Element {
  return (
    <details class="replay-moments" open>
      <summary>{t("replay.moments")}</summary>
      <ol>
        {moments.map((moment) => (
          <li key={`${moment.kind}${moment.at_s}${moment.name}`}>
            <button type="button" class="replay-moment" onClick={() => controller.seek(moment.at_s)}>
              <Icon name={MOMENT_ICONS[moment.kind]} />
              <span class="replay-moment-text">{momentText(moment)}</span>
              <span class="replay-moment-time">{clock(moment.at_s)}</span>
            </button>
          </li>
        ))}
      </ol>
    </details>
  );
}
