/** A second camera over a book or a drawing: choose it among the devices, and on the stage's corner which of the two stands large. */

import type { JSX } from "preact";
import { documentCameras } from "../../lib/devices";
import { t } from "../../lib/i18n";
import { Button } from "../../ui/Button";
import { StatusLine } from "../../ui/StatusLine";
import type { Desk } from "./desk";

export function DocumentField({ desk }: { readonly desk: Desk }): JSX.Element | null {
  const { model } = desk;
  const inUse = model.camera.track.value?.getSettings().deviceId ?? "";
  const cameras = documentCameras(model.devices.value.cameras, inUse);
  if (cameras.length === 0) return null;
  const chosen = model.document.value ? (model.screen.value?.getSettings().deviceId ?? "") : "";
  return (
    <label class="field">
      <span class="field-label">{t("document.label")}</span>
      <select value={chosen} onChange={(event) => void desk.useDocument(event.currentTarget.value)} data-test="document">
        <option value="">{t("document.none")}</option>
        {cameras.map(({ id, label }, n) => (
          <option key={id} value={id}>
            {label === "" ? t("document.camera", { n: n + 2 }) : label}
          </option>
        ))}
      </select>
      {model.documentFailed.value && <StatusLine tone="weak" text={t("document.failed")} />}
    </label>
  );
}

/** Which of the two cameras all see large. */
export function SourceButton({ desk }: { readonly desk: Desk }): JSX.Element | null {
  if (!desk.model.document.value) return null;
  const face = desk.board.value.stage.source === "camera";
  return (
    <Button
      label={t(face ? "document.show" : "document.face")}
      icon="camera"
      onPress={() => desk.showSource(face ? "document" : "camera")}
      test="source"
    />
  );
}
