/** In the lesson: the stage fills the screen, everything else keeps to its edge. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { JSX } from "preact";
import { t } from "../lib/i18n";
import type { Source } from "../lib/stage";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import { Picture } from "../ui/Picture";
import { Behind } from "./Behind";
import { Board } from "./board/Later";
import { Menu } from "./Menu";
import type { ClassroomModel } from "./model";
import { Status } from "./Status";
import { Unit } from "./unit/Unit";
import { EnterOrReady } from "./Waiting";
import { recordedText } from "./words";

/** The buttons go again after this long without a touch. */
const SHOWN_MS = 5_000;
/** More small pictures than this would cover the stage. */
const SMALL = 3;

export function Live({ model }: { readonly model: ClassroomModel }): JSX.Element {
  const menu = useSignal(false);
  const touched = useTouched();
  const called = model.called.value;
  const needsPress = !model.entered.value && !model.probing.value;
  const tools = touched || menu.value;
  return (
    <div data-theme="stage" class={`live${called ? " live-called" : ""}${tools ? " live-tools" : ""}`}>
      <main>
        <h1 class="visually-hidden">{model.page.view.value?.lesson.title ?? ""}</h1>
        <div class="live-stage" data-test="stage" role="region" aria-label={t("class.stage")}>
          <Main model={model} />
          <Board />
        </div>
        <Small model={model} />
        <Unit model={model} at="stage" />
        {needsPress && (
          <div class="live-enter">
            <EnterOrReady model={model} />
          </div>
        )}
      </main>
      <footer class="live-edge">
        {!needsPress && !menu.value && (
          <Tools model={model} menuOpen={menu.value} onMenu={() => (menu.value = !menu.value)} />
        )}
        <Unit model={model} at="edge" />
        <Behind model={model} />
        <Status model={model} />
        {called && <Called model={model} />}
      </footer>
      {menu.value && <Menu model={model} onClose={() => (menu.value = false)} />}
    </div>
  );
}

function Main({ model }: { readonly model: ClassroomModel }): JSX.Element {
  const { main } = model.stage.value;
  if (model.boardShown.value) return <></>;
  const recorded = model.hearing.picture.value;
  if (recorded !== null && model.hearing.playsRecording.value) return <Recorded video={recorded} />;
  const stream = main === null ? null : model.streamOf(main);
  if (main === null || stream === null) {
    const heard = model.receiving.value.sound === "good" || model.receiving.value.sound === "weak";
    return (
      <div class="live-voice">
        <Icon name="sound" />
        <p>{model.page.view.value?.lesson.title ?? ""}</p>
        {heard && <p class="live-voice-text">{t("class.voice.text")}</p>}
      </div>
    );
  }
  return (
    <>
      <Picture stream={stream} label={labelOf(model, main)} />
      <ClassName model={model} source={main} />
    </>
  );
}

/** The picture of the recording: an element that the player owns, shown here while it plays. */
function Recorded({ video }: { readonly video: HTMLVideoElement }): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    video.className = "picture";
    video.setAttribute("aria-label", t("class.behind.picture"));
    place.current?.appendChild(video);
    return () => video.remove();
  }, [video]);
  return <div ref={place} class="live-recorded" data-test="recorded" />;
}

/** Which other class is seen, as its children do not know each other's rooms. */
function ClassName({ model, source }: { readonly model: ClassroomModel; readonly source: Source }): JSX.Element | null {
  const owner = model.page.view.value?.participants.find((one) => one.id === source.participant);
  return owner?.role === "classroom" ? <p class="live-name">{owner.name}</p> : null;
}

function labelOf(model: ClassroomModel, source: Source): string {
  const name = model.page.view.value?.participants.find((one) => one.id === source.participant)?.name ?? "";
  return name === "" ? t("class.stage") : name;
}

function Small({ model }: { readonly model: ClassroomModel }): JSX.Element {
  // Live pictures stand still while the recording is watched.
  const small = model.hearing.playsRecording.value ? [] : model.stage.value.small.slice(0, SMALL);
  const recorded = model.boardShown.value && model.hearing.playsRecording.value ? model.hearing.picture.value : null;
  const own = model.called.value ? model.ownStream.value : null;
  return (
    <div class={`live-small${model.boardShown.value ? " live-small-board" : ""}`}>
      {recorded !== null && (
        <figure class="live-small-one" data-test="small">
          <Recorded video={recorded} />
        </figure>
      )}
      {small.map((source) => (
        <figure key={`${source.participant}.${source.kind}`} class="live-small-one" data-test="small">
          <Picture stream={model.streamOf(source)} label={labelOf(model, source)} />
          <ClassName model={model} source={source} />
        </figure>
      ))}
      {own !== null && (
        <figure class="live-small-one live-self" data-test="self">
          <Picture stream={own} label={t("class.self")} mirrored />
        </figure>
      )}
    </div>
  );
}

/** The class was called on: the frame, and one sentence. */
function Called({ model }: { readonly model: ClassroomModel }): JSX.Element {
  const trouble = model.microphone.trouble.value;
  const open = model.microphone.track.value !== null;
  const sending = open && model.publisher.session.phase.value === "up";
  const text =
    trouble === "refused" || trouble === "insecure"
      ? "class.called.refused"
      : trouble !== null
        ? "class.called.nodevice"
        : model.muted.value
          ? "class.called.muted"
          : sending
            ? "class.called"
            : "class.called.opening";
  return (
    <div class="called" data-test="called" data-state={text} role="status">
      <p class="called-words">
        <Icon name={sending && !model.muted.value ? "microphone" : "microphone-off"} />
        {t(text)}
      </p>
      <p class="called-recorded">{t(recordedText(model.page.view.value?.recording))}</p>
    </div>
  );
}

interface ToolsProps {
  readonly model: ClassroomModel;
  readonly menuOpen: boolean;
  readonly onMenu: () => void;
}

/** Large buttons that come on a touch and go again. They stay reachable by keyboard all the time. */
function Tools({ model, menuOpen, onMenu }: ToolsProps): JSX.Element {
  return (
    <div class="tools">
      {model.called.value && (
        <Button label={t("class.called.end")} icon="end-call" onPress={() => model.endCall()} test="end-call" />
      )}
      <Unit
        model={model}
        at="tools"
        instead={<Button label={t("class.help")} icon="help" onPress={() => model.help()} test="help" />}
      />
      <FullScreen />
      <Button label={t("class.more")} icon="more" expanded={menuOpen} onPress={onMenu} test="more" />
    </div>
  );
}

type Legacy = { webkitRequestFullscreen?: () => void };

function FullScreen(): JSX.Element | null {
  const full = useSignal(document.fullscreenElement !== null && document.fullscreenElement !== undefined);
  useEffect(() => {
    const changed = (): void => {
      full.value = document.fullscreenElement !== null && document.fullscreenElement !== undefined;
    };
    document.addEventListener("fullscreenchange", changed);
    return () => document.removeEventListener("fullscreenchange", changed);
  }, [full]);
  const page = document.documentElement;
  const legacy = (page as Legacy).webkitRequestFullscreen;
  if (typeof page.requestFullscreen !== "function" && legacy === undefined) return null;
  const toggle = (): void => {
    if (full.value) void document.exitFullscreen();
    else if (typeof page.requestFullscreen === "function") page.requestFullscreen().catch(() => undefined);
    else legacy?.call(page);
  };
  return (
    <Button
      label={t(full.value ? "class.full.exit" : "class.full")}
      icon={full.value ? "fullscreen-exit" : "fullscreen"}
      onPress={toggle}
      class="tools-full"
      test="fullscreen"
    />
  );
}

/** True for some seconds after the page was touched, or the mouse or a key moved. */
function useTouched(): boolean {
  const touched = useSignal(false);
  const timer = useRef(0);
  useEffect(() => {
    const touch = (): void => {
      touched.value = true;
      clearTimeout(timer.current);
      timer.current = setTimeout(() => (touched.value = false), SHOWN_MS);
    };
    addEventListener("pointermove", touch);
    addEventListener("pointerdown", touch);
    addEventListener("keydown", touch);
    return () => {
      clearTimeout(timer.current);
      removeEventListener("pointermove", touch);
      removeEventListener("pointerdown", touch);
      removeEventListener("keydown", touch);
    };
  }, [touched]);
  return touched.value;
}
