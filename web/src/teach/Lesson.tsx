/** In the lesson: the stage, the strip of classrooms, the bar of tools. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { JSX } from "preact";
import { hasText, clock, t } from "../lib/i18n";
import { steadyMs, wallMs } from "../lib/ticker";
import type { Participant } from "../generated/messages";
import type { Source } from "../lib/stage";
import { Button } from "../ui/Button";
import { DeviceFields } from "../ui/DeviceFields";
import { Icon } from "../ui/Icon";
import { LanguageSwitch } from "../ui/LanguageSwitch";
import { LevelBar } from "../ui/LevelBar";
import { Picture } from "../ui/Picture";
import { StatusLine, type Tone } from "../ui/StatusLine";
import { Bar } from "./Bar";
import { Panels } from "./class/Panels";
import { OnStage } from "./class/OnStage";
import { Strip } from "./class/Strip";
import { boardPart } from "./board/load";
import type { TeachModel } from "./model";
import { Trouble } from "./Trouble";
import { callSentence } from "./words";

export function Lesson({ model }: { readonly model: TeachModel }): JSX.Element {
  const ending = useSignal(false);
  const settings = useSignal(false);
  const part = boardPart.value;
  return (
    <div class="lesson">
      <Head model={model} />
      <main class="lesson-stage">
        <Stage model={model} />
        <OnStage rooms={model.rooms} />
        {part !== null && <part.ui.PlayerStrip desk={part.desk} />}
        <Notices model={model} />
      </main>
      <aside class="lesson-strip" aria-label={t("teach.classrooms")}>
        {part !== null && <part.ui.Beside desk={part.desk} />}
        <Self model={model} />
        <Strip model={model} live={showsLive()} />
      </aside>
      <footer class="lesson-bar" aria-label={t("teach.controls")}>
        <Panels model={model} />
        {settings.value && <Settings model={model} onClose={() => (settings.value = false)} />}
        <Bar
          model={model}
          settingsOpen={settings.value}
          onSettings={() => (settings.value = !settings.value)}
          onEnd={() => (ending.value = true)}
        />
      </footer>
      {part !== null && <part.ui.Drawer desk={part.desk} />}
      {ending.value && <EndQuestion model={model} onClose={() => (ending.value = false)} />}
    </div>
  );
}

/** The devices, over the stage's corner. Has the keyboard while it is open, and gives it back. */
function Settings({ model, onClose }: { readonly model: TeachModel; readonly onClose: () => void }): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    box.current?.focus();
    return () => (before as HTMLElement | null)?.focus?.();
  }, []);
  return (
    <div
      ref={box}
      class="popover"
      role="dialog"
      aria-label={t("bar.settings")}
      tabIndex={-1}
      onKeyDown={(event) => event.key === "Escape" && onClose()}
    >
      <DeviceFields devices={model.devices} microphone={model.microphone} camera={model.camera} sound={model.page.sound} />
      {boardPart.value !== null && <boardPart.value.ui.DocumentField desk={boardPart.value.desk} />}
      {boardPart.value !== null && <boardPart.value.ui.Kind desk={boardPart.value.desk} group="kind-settings" />}
      <Button label={t("close")} onPress={onClose} />
    </div>
  );
}

function Head({ model }: { readonly model: TeachModel }): JSX.Element {
  const view = model.page.view.value;
  const started = view?.lesson.started_at_ms ?? null;
  const elapsed = started === null ? 0 : (wallMs.value + (view?.clockOffsetMs ?? 0) - started) / 1000;
  const recorded = view?.recording.state === "recording";
  return (
    <header class="lesson-head">
      <p class="live-sign" data-test="recording" data-state={view?.recording.state ?? "off"}>
        <span class="live-dot" aria-hidden="true" />
        <span>{t(recorded ? "teach.live" : "teach.live.norecording")}</span>
        <span class="live-clock" aria-label={t("teach.elapsed", { time: clock(elapsed) })}>
          {clock(elapsed)}
        </span>
      </p>
      {boardPart.value !== null && <boardPart.value.ui.MarkButton desk={boardPart.value.desk} />}
      <h1>{view?.lesson.title === "" ? t("lesson.untitled") : (view?.lesson.title ?? "")}</h1>
      <LanguageSwitch />
    </header>
  );
}

function Stage({ model }: { readonly model: TeachModel }): JSX.Element {
  const part = boardPart.value;
  if (part !== null && !showsLive()) return <part.ui.BoardStage desk={part.desk} />;
  const { main } = model.stage.value;
  const view = model.page.view.value;
  const stream = main === null ? null : model.streamOf(main);
  const own = main !== null && main.participant === view?.you;
  const owner = view?.participants.find((one) => one.id === main?.participant);
  return (
    <div class="stage" data-theme="stage" data-test="stage" aria-label={t("stage")} role="region">
      {main === null || stream === null ? (
        <p class="stage-empty">
          <Icon name="microphone" />
          {t("teach.stage.voice")}
        </p>
      ) : (
        <>
          <Picture
            stream={stream}
            label={own ? t(main.kind === "screen" ? "teach.stage.screen" : "teach.self") : (owner?.name ?? "")}
          />
          {owner !== undefined && !own && <StageLabel kind={main.kind} owner={owner} />}
          {part !== null && <part.ui.FreezeButton desk={part.desk} />}
        </>
      )}
    </div>
  );
}

/** The stage is for live pictures now, not for a page or a film. */
function showsLive(): boolean {
  return (boardPart.value?.desk.stage.value.stage ?? "live") === "live";
}

/** Whose picture stands there, where it is not the own one. A classroom that speaks has the green of its tile. */
function StageLabel({ kind, owner }: { readonly kind: Source["kind"]; readonly owner: Participant }): JSX.Element {
  const speaking = owner.role === "classroom" && callSentence(owner)?.tone === "good";
  return (
    <p class={`stage-label${speaking ? " stage-label-called" : ""}`}>
      <Icon name={kind === "screen" ? "screen" : speaking ? "microphone" : "camera"} />
      {speaking ? t("teach.other", { name: owner.name }) : owner.name}
    </p>
  );
}

/** Everything that is not as it should be, in the order of what it costs. Takes its place under the stage. */
function Notices({ model }: { readonly model: TeachModel }): JSX.Element {
  const { page } = model;
  const recording = page.view.value?.recording;
  const problem = recording?.problem ?? "";
  const problemKey = `teach.recording.problem.${problem}`;
  const lost = page.signallingLost.value;
  const sending = model.sendingLost.value;
  const since = (lost ? page.signalling.lostSinceMs.value : null) ?? model.publisher.session.lostSinceMs.value;
  const seconds = since === null ? 0 : (steadyMs.value - since) / 1000;
  const own = model.ownLink.value;
  const rests = model.publisher.cameraRests.value && model.camera.track.value !== null;
  let tone: Tone = "note";
  let text = "";
  if (model.publisher.session.refusal.value === "too_many_teachers") [tone, text] = ["note", t("error.too_many_teachers")];
  else if (lost && sending) [tone, text] = ["lost", t("net.lost")];
  else if (sending) [tone, text] = ["lost", t("net.media.teach")];
  else if (model.talking.value && model.muted.value) [tone, text] = ["good", t("bar.ptt")];
  else if (model.muted.value) [tone, text] = ["weak", t("bar.muted")];
  else if (lost) [tone, text] = ["note", t("net.signalling")];
  else if (rests && own !== null) [tone, text] = [own.tone, t(own.text)];
  else if (model.screenFailed.value) [tone, text] = ["weak", t("media.screen.failed")];
  const refusal = page.signalling.refusal.value;
  const refusalKey = `error.${refusal}`;
  return (
    <div class="notices">
      <StatusLine
        tone={tone}
        text={text}
        ticking={(sending || lost) && seconds >= 2 ? clock(seconds) : ""}
        class="lesson-status"
      />
      {refusal !== "" && <StatusLine tone="weak" text={t(hasText(refusalKey) ? refusalKey : "error.other")} />}
      {problem !== "" && (
        <div class="notice notice-lost" role="alert" data-test="recording-problem">
          <Icon name="lost" />
          <p>
            <strong>{t(hasText(problemKey) ? problemKey : "teach.recording.problem.other")}</strong>
          </p>
        </div>
      )}
      <Trouble model={model} />
    </div>
  );
}

function Self({ model }: { readonly model: TeachModel }): JSX.Element {
  const { main } = model.stage.value;
  const you = model.page.view.value?.you;
  const onStage = showsLive() && main !== null && main.kind === "camera" && main.participant === you;
  const stream = onStage ? null : model.cameraStream.value;
  const second = model.stage.value.small.filter((source) =>
    model.page.view.value?.participants.some((one) => one.id === source.participant && one.role === "teacher"),
  );
  return (
    <>
      <div class={showsLive() || stream === null ? "self" : "self self-beside"} data-test="self">
        {stream !== null && (
          <div class="self-picture">
            <Picture stream={stream} label={t("teach.self")} />
          </div>
        )}
        <div class="self-level">
          <span>{t("teach.you")}</span>
          <Icon name={model.speaking.value && model.microphone.track.value !== null ? "microphone" : "microphone-off"} />
          <LevelBar
            level={model.meter.level}
            label={t("device.level")}
            off={!model.speaking.value || model.microphone.track.value === null}
          />
        </div>
        <StatusLine
          tone={model.ownLink.value?.tone ?? "note"}
          text={model.ownLink.value === null ? "" : t(model.ownLink.value.text)}
          class="self-link"
          test="uplink"
        />
      </div>
      {second.map((source) => (
        <figure key={source.participant + source.kind} class="second">
          <Picture stream={model.streamOf(source)} label={nameOf(model, source.participant)} />
          <figcaption>{nameOf(model, source.participant)}</figcaption>
        </figure>
      ))}
    </>
  );
}

function nameOf(model: TeachModel, id: string): string {
  return model.page.view.value?.participants.find((one) => one.id === id)?.name ?? "";
}

interface EndQuestionProps {
  readonly model: TeachModel;
  readonly onClose: () => void;
}

/** Ending asks once. */
function EndQuestion({ model, onClose }: EndQuestionProps): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    // The safe answer has the focus, so that a stray Enter ends nothing.
    box.current?.querySelector<HTMLButtonElement>("[data-safe] button")?.focus();
    return () => (before as HTMLElement | null)?.focus?.();
  }, []);
  const keys = (event: KeyboardEvent): void => {
    if (event.key === "Escape") onClose();
    if (event.key !== "Tab") return;
    const buttons = Array.from(box.current?.querySelectorAll("button") ?? []);
    const next = buttons[(buttons.indexOf(document.activeElement as HTMLButtonElement) + 1) % buttons.length];
    event.preventDefault();
    next?.focus();
  };
  return (
    <div class="veil" onKeyDown={keys}>
      <div ref={box} class="question" role="dialog" aria-modal="true" aria-labelledby="end-ask" aria-describedby="end-text">
        <h2 id="end-ask">{t("end.ask")}</h2>
        <p id="end-text">{t("end.ask.text")}</p>
        <div class="question-actions">
          <span data-safe>
            <Button
              label={t("end.cancel")}
              onPress={() => {
                model.ending.value = false;
                onClose();
              }}
            />
          </span>
          <Button
            label={t("end.confirm")}
            look="danger"
            disabled={model.ending.value}
            onPress={() => model.endLesson()}
            test="end-confirm"
          />
        </div>
        <StatusLine tone="wait" text={model.ending.value && model.page.signallingLost.value ? t("end.waiting") : ""} />
      </div>
    </div>
  );
}
