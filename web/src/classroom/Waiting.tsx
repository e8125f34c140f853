/** Before the lesson: its title, the clock, the one press where the browser wants one. Starts by itself. */

import { signal, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { canCapture } from "../lib/devices";
import { clock, dayAndTime, t, timeOfDay } from "../lib/i18n";
import { wallMs } from "../lib/ticker";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import { LanguageSwitch } from "../ui/LanguageSwitch";
import type { ClassroomModel } from "./model";
import { NameField } from "./Menu";
import { Status } from "./Status";
import { Unit } from "./unit/Unit";
import { recordedText } from "./words";

const DAY_S = 86_400;

/** Nothing that the page opens with: whoever waits has the time to load it. */
const check = signal<typeof import("./LineCheck") | null>(null);
const AGAIN_MS = 5_000;

function loadCheck(): void {
  if (check.peek() !== null) return;
  import("./LineCheck").then(
    (part) => (check.value = part),
    () => setTimeout(loadCheck, AGAIN_MS),
  );
}

export function Waiting({ model }: { readonly model: ClassroomModel }): JSX.Element {
  const view = model.page.view.value;
  const checking = useSignal(false);
  const LineCheck = check.value?.LineCheck;
  // Until the greeting nobody knows whether anybody waits.
  const greeted = view !== null;
  useEffect(() => {
    if (greeted) loadCheck();
  }, [greeted]);
  const now = wallMs.value + (view?.clockOffsetMs ?? 0);
  const startsAt = view?.lesson.starts_at_ms ?? null;
  const left = startsAt === null ? null : (startsAt - now) / 1000;
  const title = view?.lesson.title ?? "";
  const teacher = model.teachers.value.find((one) => one.online);
  return (
    <div class="wait" data-test="waiting">
      <header class="wait-head">
        {view !== null && <NameField model={model} />}
        <LanguageSwitch />
      </header>
      <main class={checking.value ? "wait-main wait-checking" : "wait-main"}>
        <h1 class={view === null ? "visually-hidden" : ""}>
          {view === null ? t("title.class") : title === "" ? t("lesson.untitled") : title}
        </h1>
        {teacher !== undefined && <p class="wait-teacher">{teacher.name}</p>}
        <p class="wait-clock">
          {left !== null && left > 0 && left < DAY_S ? (
            <>
              <span class="wait-clock-label">{`${t("class.starts")} ${timeOfDay(startsAt ?? 0)} · ${t("class.starts.in")}`}</span>
              <span class="wait-clock-figures">{clock(left)}</span>
            </>
          ) : (
            <>
              <span class="wait-clock-label">
                {startsAt !== null && startsAt > now ? `${t("class.starts")} ${dayAndTime(startsAt)}` : t("class.waiting")}
              </span>
              <span class="wait-clock-figures">{timeOfDay(now)}</span>
            </>
          )}
        </p>
        <EnterOrReady model={model} />
        {!checking.value && <Unit model={model} at="waiting" />}
        {view !== null && LineCheck !== undefined && <LineCheck model={model} onOpen={(open) => (checking.value = open)} />}
      </main>
      <footer class="wait-foot">
        <p class="wait-recorded">
          {view !== null && (
            <>
              <Icon name="note" />
              {t(recordedText(view.recording))}
            </>
          )}
        </p>
        <Status model={model} />
      </footer>
    </div>
  );
}

/** The one button, or the word that nothing is left to do. */
export function EnterOrReady({ model }: { readonly model: ClassroomModel }): JSX.Element {
  if (model.entered.value) return <p class="wait-auto">{t("class.waiting.auto")}</p>;
  // A moment's silence while the browser is asked whether a press is needed at all: the button must not flash.
  if (model.probing.value) return <p class="wait-auto" />;
  return (
    <div class="enter">
      <Button label={t("class.enter")} look="primary" shape="large" onPress={() => model.enter()} test="enter" />
      <p>{t("class.enter.text")}</p>
      {canCapture() && <p>{t("class.enter.devices")}</p>}
    </div>
  );
}
