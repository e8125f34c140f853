/** The quiet menu: name, volume, devices, language, leave. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { JSX } from "preact";
import { t } from "../lib/i18n";
import { Button } from "../ui/Button";
import { DeviceFields } from "../ui/DeviceFields";
import { Icon } from "../ui/Icon";
import { LanguageSwitch } from "../ui/LanguageSwitch";
import { BUDGETS_MB } from "../lib/meter";
import type { ClassroomModel } from "./model";
import { Unit } from "./unit/Unit";
import { recordedText } from "./words";

const SAVED_SHOWN_MS = 2_000;

export interface MenuProps {
  readonly model: ClassroomModel;
  readonly onClose: () => void;
}

export function Menu({ model, onClose }: MenuProps): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    box.current?.focus();
    return () => (before as HTMLElement | null)?.focus?.();
  }, []);
  const { sound } = model.page;
  return (
    <div
      ref={box}
      class="menu"
      role="dialog"
      aria-label={t("menu.title")}
      tabIndex={-1}
      onKeyDown={(event) => event.key === "Escape" && onClose()}
      data-test="menu"
    >
      <div class="menu-head">
        <h2>{t("menu.title")}</h2>
        <Button label={t("close")} icon="close" shape="icon-only" look="quiet" onPress={onClose} />
      </div>
      <NameField model={model} />
      <Unit model={model} at="menu" />
      <label class="field">
        <span class="field-label">{t("volume")}</span>
        <span class="volume">
          <Icon name={sound.volume.value === 0 ? "sound-off" : "sound"} />
          <input
            type="range"
            min="0"
            max="100"
            step="5"
            value={Math.round(sound.volume.value * 100)}
            onInput={(event) => sound.setVolume(Number(event.currentTarget.value) / 100)}
          />
        </span>
      </label>
      <DeviceFields devices={model.devices} microphone={model.microphone} camera={model.camera} sound={sound} />
      <Data model={model} />
      <p class="menu-recorded">{t(recordedText(model.page.view.value?.recording))}</p>
      <div class="menu-foot">
        <LanguageSwitch />
        <Button
          label={t("menu.leave")}
          icon="leave"
          onPress={() => {
            onClose();
            model.leave();
          }}
          test="leave"
        />
      </div>
    </div>
  );
}

/** What the lesson has cost, and what it may. */
function Data({ model }: { readonly model: ClassroomModel }): JSX.Element {
  const { meter } = model;
  return (
    <div class="data" role="group" aria-label={t("menu.data")}>
      <p class="data-used" data-test="data-used">
        {t("menu.data.used", { mb: meter.usedMb.value })}
      </p>
      <label class="field">
        <span class="field-label">{t("menu.data.budget")}</span>
        <select
          value={String(meter.budgetMb.value)}
          onChange={(event) => meter.setBudget(Number(event.currentTarget.value))}
          data-test="budget"
        >
          {BUDGETS_MB.map((mb) => (
            <option key={mb} value={String(mb)}>
              {mb === 0 ? t("menu.data.budget.none") : t("menu.data.budget.mb", { mb })}
            </option>
          ))}
        </select>
      </label>
      <label class="data-saving">
        <input
          type="checkbox"
          checked={meter.saving.value}
          onChange={(event) => meter.setSaving(event.currentTarget.checked)}
          data-test="saving"
        />
        <span>{t("menu.data.saving")}</span>
      </label>
    </div>
  );
}

/** What this classroom is called; the volunteer calls on it by this name. */
export function NameField({ model }: { readonly model: ClassroomModel }): JSX.Element {
  const saved = useSignal(false);
  const draft = useSignal<string | null>(null);
  const name = draft.value ?? model.me.value?.name ?? "";
  const changed = draft.value !== null && draft.value.trim() !== "" && draft.value !== model.me.value?.name;
  const save = (event: Event): void => {
    event.preventDefault();
    if (!changed || !model.rename(name)) return;
    draft.value = null;
    saved.value = true;
    setTimeout(() => (saved.value = false), SAVED_SHOWN_MS);
  };
  return (
    <form class="name-field" onSubmit={save}>
      <label class="name-label">
        <span class="field-label">{t("menu.name")}</span>
        <input
          type="text"
          maxLength={80}
          autocomplete="off"
          value={name}
          onInput={(event) => (draft.value = event.currentTarget.value)}
          data-test="name"
        />
      </label>
      {changed ? (
        <button type="submit" class="button button-primary">
          {t("menu.name.save")}
        </button>
      ) : (
        <span class="name-saved" role="status">
          {saved.value ? t("menu.name.saved") : ""}
        </span>
      )}
    </form>
  );
}
