/** Choose microphone, camera and (where the browser can) speaker. */

import type { Signal } from "@preact/signals";
import type { JSX } from "preact";
import { type Capture, NONE } from "../lib/capture";
import type { Device, DeviceList } from "../lib/devices";
import { t } from "../lib/i18n";
import { canChooseSpeaker, type Sound } from "../lib/sound";

export interface DeviceFieldsProps {
  readonly devices: Signal<DeviceList>;
  readonly microphone: Capture;
  readonly camera: Capture;
  readonly sound: Sound;
}

export function DeviceFields({ devices, microphone, camera, sound }: DeviceFieldsProps): JSX.Element {
  const list = devices.value;
  return (
    <div class="device-fields">
      <DeviceField
        label={t("device.microphone")}
        devices={list.microphones}
        value={microphone.chosen.value}
        onChoose={(id) => void microphone.choose(id)}
      />
      <DeviceField
        label={t("device.camera")}
        devices={list.cameras}
        value={camera.chosen.value}
        none
        onChoose={(id) => void camera.choose(id)}
      />
      {canChooseSpeaker() && list.speakers.length > 0 && (
        <DeviceField
          label={t("device.speaker")}
          devices={list.speakers}
          value={sound.speaker.value}
          onChoose={(id) => sound.setSpeaker(id)}
        />
      )}
    </div>
  );
}

interface DeviceFieldProps {
  readonly label: string;
  readonly devices: readonly Device[];
  readonly value: string;
  readonly none?: boolean;
  readonly onChoose: (id: string) => void;
}

function DeviceField({ label, devices, value, none = false, onChoose }: DeviceFieldProps): JSX.Element {
  // Browsers list the default device a second time under this id; "system default" says it better.
  const named = devices.filter((one) => one.id !== "default" && one.id !== "communications" && one.id !== "");
  const known = value === "" || value === NONE || named.some((one) => one.id === value);
  return (
    <label class="field">
      <span class="field-label">{label}</span>
      <select value={known ? value : ""} onChange={(event) => onChoose(event.currentTarget.value)}>
        <option value="">{t("device.default")}</option>
        {named.map((one, place) => (
          <option key={one.id} value={one.id}>
            {one.label === "" ? t("device.numbered", { number: place + 1 }) : one.label}
          </option>
        ))}
        {none && <option value={NONE}>{t("device.none")}</option>}
      </select>
    </label>
  );
}
