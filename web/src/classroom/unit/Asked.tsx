/** What the local teacher is asked once, before the lesson, and may change in the menu: how many pupils, and whether the
 * volunteer may see them small. One question at a time. */

import { type Signal, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { t } from "../../lib/i18n";
import { Button } from "../../ui/Button";
import type { ClassroomModel } from "../model";
import { typed } from "./counting";
import { Glyph, Step } from "./glyphs";
import { unitOf } from "./model";

/** Where the steppers begin in a room that was never asked: near enough to most classes. */
const USUAL = 30;

export function Heads({ model }: { readonly model: ClassroomModel }): JSX.Element | null {
  const unit = unitOf(model);
  const changing = useSignal(false);
  const draft = useSignal<number | null>(null);
  if (model.page.view.value === null) return null;
  const heads = unit.heads.value;
  if (heads === null || changing.value) {
    return (
      <form
        class="unit-card unit-heads"
        data-test="heads"
        onSubmit={(event) => {
          event.preventDefault();
          unit.setHeads(draft.peek() ?? heads ?? USUAL);
          changing.value = false;
        }}
      >
        <p id="unit-heads-ask">{t("unit.heads.ask")}</p>
        <Count value={draft.value ?? heads ?? USUAL} onChange={(value) => (draft.value = value)} labelledBy="unit-heads-ask" />
        <button type="submit" class="button button-primary" data-test="heads-ok">
          {t("unit.heads.ok")}
        </button>
      </form>
    );
  }
  const { consent, possible } = unit.thumbnails;
  return (
    <>
      <p class="unit-heads-said">
        <span data-test="heads-said">{t("unit.heads.said", { count: heads })}</span>
        <Button label={t("unit.heads.change")} look="quiet" onPress={() => (changing.value = true)} test="heads-change" />
      </p>
      {consent.value === "" && possible && <Consent model={model} />}
    </>
  );
}

/** May the volunteer see the class? A no is as easy as a yes. */
export function Consent({ model }: { readonly model: ClassroomModel }): JSX.Element {
  const { thumbnails } = unitOf(model);
  return (
    <div class="unit-card unit-consent" role="group" aria-label={t("unit.thumb.ask")} data-test="consent">
      <div>
        <p>{t("unit.thumb.ask")}</p>
        <p class="unit-fine">{t("unit.thumb.text")}</p>
      </div>
      <div class="unit-row">
        <Button label={t("unit.thumb.yes")} onPress={() => thumbnails.decide(true)} test="consent-yes" />
        <Button label={t("unit.thumb.no")} onPress={() => thumbnails.decide(false)} test="consent-no" />
      </div>
    </div>
  );
}

/** The same in the menu. */
export function Settings({ model }: { readonly model: ClassroomModel }): JSX.Element {
  const unit = unitOf(model);
  const { thumbnails } = unit;
  return (
    <div class="unit-settings">
      <div class="unit-settings-heads">
        <span id="unit-heads-label">{t("unit.heads")}</span>
        <Count value={unit.heads.value ?? 0} onChange={(value) => unit.setHeads(value)} labelledBy="unit-heads-label" />
      </div>
      {thumbnails.possible && (
        <label class="data-saving">
          <input
            type="checkbox"
            checked={thumbnails.consent.value === "yes"}
            onChange={(event) => thumbnails.decide(event.currentTarget.checked)}
            data-test="consent-set"
          />
          <span>{t("unit.thumb.menu")}</span>
        </label>
      )}
    </div>
  );
}

interface CountProps {
  readonly value: number;
  readonly onChange: (value: number) => void;
  readonly label?: string;
  readonly labelledBy?: string;
  readonly test?: string;
}

/** A number by steps or typed, whichever hand is free. */
export function Count({ value, onChange, label, labelledBy, test = "count" }: CountProps): JSX.Element {
  // A field that was emptied to type anew stays empty meanwhile.
  const text: Signal<string | null> = useSignal(null);
  const set = (next: number): void => {
    text.value = null;
    onChange(Math.max(0, next));
  };
  return (
    <span class="unit-count" role="group" aria-label={label} aria-labelledby={labelledBy}>
      <Step label={t("unit.fewer")} glyph="minus" onPress={() => set(value - 1)} test={`${test}-fewer`} />
      <input
        type="text"
        inputMode="numeric"
        maxLength={3}
        autocomplete="off"
        aria-label={label}
        aria-labelledby={labelledBy}
        value={text.value ?? String(value)}
        onFocus={(event) => event.currentTarget.select()}
        onInput={(event) => {
          text.value = event.currentTarget.value;
          onChange(typed(event.currentTarget.value));
        }}
        onBlur={() => (text.value = null)}
        data-test={test}
      />
      <Step label={t("unit.plus")} glyph="plus" onPress={() => set(value + 1)} test={`${test}-more`} />
    </span>
  );
}

/** For parts that show the tick of something done. */
export function Done({ words, test }: { readonly words: string; readonly test?: string }): JSX.Element {
  return (
    <span class="unit-done" data-test={test}>
      <Glyph name="check" />
      {words}
    </span>
  );
}
