/** The pills at the lower left: what was sent and still stands, and what has come. Nothing when there is nothing. */

import type { JSX } from "preact";
import { clock, t } from "../../lib/i18n";
import { Icon } from "../../ui/Icon";
import type { ClassroomModel } from "../model";
import { Consent } from "./Asked";
import { Glyph } from "./glyphs";
import { unitOf } from "./model";
import { useWaited } from "./ticking";

export function Edge({ model }: { readonly model: ClassroomModel }): JSX.Element {
  const unit = unitOf(model);
  const hand = unit.hand.value;
  const sign = unit.sign.value;
  const waited = useWaited(model, hand?.at_ms ?? null);
  const unread = unit.sheet.value === "chat" ? 0 : unit.unread.value;
  const { consent, possible } = unit.thumbnails;
  const asks = consent.value === "" && possible && model.thumbnailEveryS.value > 0;
  return (
    <div class="unit-pills">
      {asks && (
        <div class="unit-on-touch">
          <Consent model={model} />
        </div>
      )}
      {unit.asked.value !== null && unit.aside.value && (
        <button type="button" class="button unit-pill" onClick={() => (unit.aside.value = false)} data-test="poll-show">
          <Icon name="help" />
          <span>{t("unit.poll.show")}</span>
        </button>
      )}
      {unread > 0 && (
        <button type="button" class="button unit-pill" onClick={() => unit.open("chat")} data-test="unread">
          <Glyph name="message" />
          <span>{t("unit.chat.new", { count: unread })}</span>
        </button>
      )}
      {hand !== null && (
        <p class="unit-pill unit-pill-hand" data-test="hand-up">
          <Glyph name="hand" />
          <span>{t("unit.hand.up", { clock: clock(waited) })}</span>
        </p>
      )}
      {sign !== null && sign.sign !== "" && (
        <p class="unit-pill" data-test="sign-sent">
          <Glyph name="check" />
          <span>{t("unit.sign.sent", { sign: t(`unit.sign.${sign.sign}`) })}</span>
          <button type="button" class="unit-pill-end unit-on-touch" onClick={() => unit.give("")} data-test="sign-back">
            {t("unit.sign.back")}
          </button>
        </p>
      )}
      <p class={unit.notice.value === "" ? "visually-hidden" : "unit-pill"} role="status" data-test="unit-notice">
        {unit.notice.value !== "" && (
          <>
            <Glyph name={unit.notice.value === "unit.lost" ? "again" : "check"} />
            <span>{t(unit.notice.value)}</span>
          </>
        )}
      </p>
    </div>
  );
}
