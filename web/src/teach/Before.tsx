/** Before the lesson: see and hear yourself, see who is here, start. */

import { useComputed } from "@preact/signals";
import type { JSX } from "preact";
import type { Participant, RecordingInfo } from "../generated/messages";
import { dayAndTime, t, type TextKey } from "../lib/i18n";
import { VOICE } from "../lib/level";
import { steadyMs } from "../lib/ticker";
import { Button } from "../ui/Button";
import { DeviceFields } from "../ui/DeviceFields";
import { Icon } from "../ui/Icon";
import { LanguageSwitch } from "../ui/LanguageSwitch";
import { LevelBar } from "../ui/LevelBar";
import { Picture } from "../ui/Picture";
import { StatusLine } from "../ui/StatusLine";
import { boardPart } from "./board/load";
import type { TeachModel } from "./model";
import { Trouble } from "./Trouble";

/** After this long without a voice the page asks whether the microphone is the right one. */
const QUIET_S = 12;

export function Before({ model }: { readonly model: TeachModel }): JSX.Element {
  const view = model.page.view.value;
  const title = view?.lesson.title ?? "";
  const startsAt = view?.lesson.starts_at_ms ?? null;
  const classrooms = (view?.participants ?? []).filter((one) => one.role === "classroom");
  const lost = model.page.signallingLost.value;
  const running = view?.lesson.state === "live";
  const part = boardPart.value;
  return (
    <div class="before">
      <header class="before-head">
        <div>
          <h1>{title === "" ? t("lesson.untitled") : title}</h1>
          {startsAt !== null && <p class="soft">{t("pre.starts", { time: dayAndTime(startsAt) })}</p>}
        </div>
        <LanguageSwitch />
      </header>
      <main class="before-main">
        <section class="before-self" aria-label={t("pre.heading")}>
          <Preview model={model} />
          <Level model={model} />
          <Trouble model={model} />
          <h2 class="visually-hidden">{t("bar.settings")}</h2>
          <DeviceFields devices={model.devices} microphone={model.microphone} camera={model.camera} sound={model.page.sound} />
        </section>
        <section class="before-side">
          <h2>{t("pre.waiting.title")}</h2>
          <Waiting classrooms={classrooms} />
          {part !== null && <part.ui.BeforePart desk={part.desk} />}
          <div class="before-start">
            <Button
              label={t(running ? "pre.join" : "pre.start")}
              look="primary"
              shape="large"
              disabled={lost || model.starting.value}
              onPress={() => model.startLesson()}
              test="start"
            />
            <p class="soft">{t(running ? "pre.join.text" : recordingLine(view?.recording))}</p>
            <StatusLine tone="wait" text={lost ? t("net.connecting") : ""} />
          </div>
        </section>
      </main>
      {part !== null && <part.ui.Drawer desk={part.desk} />}
    </div>
  );
}

function recordingLine(recording: RecordingInfo | undefined): TextKey {
  if (recording?.enabled === false) return "pre.start.norecording";
  return recording?.classrooms === true ? "pre.start.recording.classrooms" : "pre.start.recording";
}

function Preview({ model }: { readonly model: TeachModel }): JSX.Element {
  const stream = model.cameraStream.value;
  return (
    <figure class="preview" data-test="self">
      <div class="preview-frame">
        {stream === null ? (
          <p class="preview-empty">
            <Icon name="camera-off" />
            {t("pre.nocamera")}
          </p>
        ) : (
          <Picture stream={stream} label={t("teach.self")} />
        )}
      </div>
      {stream !== null && <figcaption class="soft">{t("pre.preview")}</figcaption>}
    </figure>
  );
}

function Level({ model }: { readonly model: TeachModel }): JSX.Element {
  const heard = useComputed(() => model.meter.level.value > VOICE);
  const quietS = (steadyMs.value - model.meter.heardAtMs.value) / 1000;
  const off = model.microphone.track.value === null;
  const words = heard.value ? "pre.level.good" : quietS > QUIET_S ? "pre.level.silent" : "pre.level";
  return (
    <div class="before-level">
      <Icon name={off ? "microphone-off" : "microphone"} />
      <div class="before-level-bar">
        <LevelBar level={model.meter.level} label={t("device.level")} off={off} />
        <p class="soft">{off ? "" : t(words)}</p>
      </div>
    </div>
  );
}

function Waiting({ classrooms }: { readonly classrooms: readonly Participant[] }): JSX.Element {
  const here = classrooms.filter((one) => one.online).length;
  if (classrooms.length === 0) return <p class="waiting-none">{t("pre.waiting.none")}</p>;
  return (
    <>
      <p class="soft" role="status">
        {t("pre.waiting.count", { count: here })}
      </p>
      <ul class="waiting" tabIndex={0} aria-label={t("pre.waiting.title")}>
        {classrooms.map((one) => (
          <li key={one.id} class={one.online ? "waiting-here" : "waiting-away"} data-test="tile" data-participant={one.id}>
            <Icon name={one.online ? "good" : "wait"} />
            <span class="waiting-name">{one.name}</span>
            <span class="soft" data-test="status">
              {t(one.online ? "pre.here" : "pre.away")}
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}
