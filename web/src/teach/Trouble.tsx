/** What is wrong with a device, in words, with the way on. */

import type { JSX } from "preact";
import { browserOf } from "../lib/devices";
import { t, type TextKey } from "../lib/i18n";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import type { TeachModel } from "./model";

/** The sentences for the troubles of both devices; empty when there are none. */
function sentences(model: TeachModel): { readonly main: TextKey; readonly how: TextKey | null; readonly retry: boolean }[] {
  const microphone = model.microphone.trouble.value;
  const camera = model.cameraOff.value ? null : model.camera.trouble.value;
  const how: TextKey = `media.howto.${browserOf(navigator.userAgent)}`;
  if (microphone === "insecure" || camera === "insecure") return [{ main: "media.insecure", how: null, retry: false }];
  if (microphone === "refused" && camera === "refused") return [{ main: "media.refused", how, retry: true }];
  if (microphone === "busy" || camera === "busy") return [{ main: "media.busy", how: null, retry: true }];
  const out = [];
  if (microphone === "refused") out.push({ main: "media.refused.microphone" as const, how, retry: true });
  if (microphone === "notfound") out.push({ main: "media.notfound.microphone" as const, how: null, retry: false });
  if (microphone === "unplugged") out.push({ main: "media.unplugged.microphone" as const, how: null, retry: false });
  if (camera === "refused") out.push({ main: "media.refused.camera" as const, how, retry: true });
  if (camera === "notfound") out.push({ main: "media.notfound.camera" as const, how: null, retry: false });
  if (camera === "unplugged") out.push({ main: "media.unplugged.camera" as const, how: null, retry: false });
  return out;
}

export function Trouble({ model }: { readonly model: TeachModel }): JSX.Element | null {
  if (model.asking.value && model.microphone.track.value === null) {
    return (
      <div class="notice notice-note" role="status">
        <Icon name="note" />
        <p>{t("media.ask")}</p>
      </div>
    );
  }
  const all = sentences(model);
  if (all.length === 0) return null;
  return (
    <>
      {all.map(({ main, how, retry }) => (
        <div key={main} class="notice notice-weak" role="status">
          <Icon name="weak" />
          <div class="notice-words">
            <p>
              <strong>{t(main)}</strong>
            </p>
            {how !== null && <p>{t(how)}</p>}
          </div>
          {retry && <Button label={t("media.retry")} icon="retry" onPress={() => void model.askDevices()} />}
        </div>
      ))}
    </>
  );
}
