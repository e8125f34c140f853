/** The bar of tools under the stage: words under icons, the most used first and largest. */

import { useEffect } from "preact/hooks";
import type { JSX } from "preact";
import { canShareScreen } from "../lib/devices";
import { t } from "../lib/i18n";
import { Button } from "../ui/Button";
import { RoomButtons } from "./class/RoomButtons";
import { boardPart } from "./board/load";
import type { TeachModel } from "./model";

export interface BarProps {
  readonly model: TeachModel;
  readonly settingsOpen: boolean;
  readonly onSettings: () => void;
  readonly onEnd: () => void;
}

export function Bar({ model, settingsOpen, onSettings, onEnd }: BarProps): JSX.Element {
  useShortcuts(model);
  const micOn = model.speaking.value && model.microphone.track.value !== null;
  const cameraOn = model.camera.track.value !== null;
  const sharing = model.screen.value !== null;
  const part = boardPart.value;
  const called = (model.page.view.value?.participants ?? []).filter((one) => one.called);
  return (
    <div class="bar">
      <div class="bar-group">
        <Button
          label={t(micOn ? "bar.microphone.on" : "bar.microphone.off")}
          hint={t("bar.microphone.hint")}
          icon={micOn ? "microphone" : "microphone-off"}
          shape="stacked"
          class={`bar-first${micOn ? "" : " bar-off"}`}
          pressed={micOn}
          onPress={() => model.toggleMicrophone()}
          test="mic"
        />
        <Button
          label={t(cameraOn ? "bar.camera.on" : "bar.camera.off")}
          icon={cameraOn ? "camera" : "camera-off"}
          shape="stacked"
          class={cameraOn ? "" : "bar-off"}
          pressed={cameraOn}
          onPress={() => void model.toggleCamera()}
          test="camera"
        />
        {canShareScreen() && (
          <Button
            label={t(sharing ? "bar.screen.stop" : "bar.screen.start")}
            icon="screen"
            shape="stacked"
            class={sharing ? "bar-active" : ""}
            pressed={sharing}
            onPress={() => void model.toggleScreen()}
            test="screen"
          />
        )}
        {part !== null && <part.ui.BarButtons desk={part.desk} />}
        <RoomButtons rooms={model.rooms} />
        <Button
          label={t("bar.settings")}
          icon="settings"
          shape="stacked"
          expanded={settingsOpen}
          onPress={onSettings}
          test="settings"
        />
      </div>
      <ul class="bar-called">
        {called.map((one) => (
          <li key={one.id} class="called-pill">
            <span class="called-name">{t("teach.other", { name: one.name })}</span>
            <Button
              label={t("tile.endcall")}
              hint={t("tile.endcall.name", { name: one.name })}
              icon="end-call"
              onPress={() => model.endCall(one.id)}
            />
          </li>
        ))}
      </ul>
      <Button label={t("bar.end")} icon="stop" shape="stacked" look="danger" onPress={onEnd} test="end" />
    </div>
  );
}

/** M mutes; space held down talks while muted. Neither while typing, nor on a button reached by keyboard. */
function useShortcuts(model: TeachModel): void {
  useEffect(() => {
    const down = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
      if (event.key === "m" || event.key === "M") {
        if (!event.repeat) model.toggleMicrophone();
      } else if (event.key === " " && !keyboardFocus(event.target)) {
        event.preventDefault();
        if (model.muted.peek()) model.talking.value = true;
      }
    };
    const up = (event: KeyboardEvent): void => {
      if (event.key !== " ") return;
      if (!typing(event.target) && !keyboardFocus(event.target)) event.preventDefault();
      model.talking.value = false;
    };
    const away = (): void => {
      model.talking.value = false;
    };
    addEventListener("keydown", down);
    addEventListener("keyup", up);
    addEventListener("blur", away);
    return () => {
      removeEventListener("keydown", down);
      removeEventListener("keyup", up);
      removeEventListener("blur", away);
    };
  }, [model]);
}

/** A field takes letters, and a dialog takes keys of its own. */
function typing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) || target.closest("[role=dialog]") !== null;
}

/** A button that was reached by keyboard keeps its space bar. */
function keyboardFocus(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLButtonElement)) return false;
  try {
    return target.matches(":focus-visible");
  } catch {
    return true;
  }
}
