/** The large buttons that come on a touch: hand, and what the volunteer should know. Their keys work all the time. */

import { useEffect } from "preact/hooks";
import type { JSX } from "preact";
import { clock, t } from "../../lib/i18n";
import type { ClassroomModel } from "../model";
import { Press } from "./glyphs";
import { SIGNS, unitOf } from "./model";
import { useWaited } from "./ticking";

export function Tools({ model }: { readonly model: ClassroomModel }): JSX.Element {
  const unit = unitOf(model);
  const hand = unit.hand.value;
  const waited = useWaited(model, hand?.at_ms ?? null);
  return (
    <>
      <Press
        label={hand === null ? t("unit.hand") : t("unit.hand.up", { clock: clock(waited) })}
        glyph="hand"
        pressed={hand !== null}
        hint="H"
        class="unit-hand"
        onPress={() => unit.raiseHand(hand === null)}
        test="hand"
      />
      <Press
        label={t("class.help")}
        glyph="ear"
        expanded={unit.sheet.value === "signs"}
        hint="S"
        onPress={() => unit.open("signs")}
        test="help"
      />
    </>
  );
}

/** H, S and C; in the sheet of signs 1 to 4; Escape closes what is open. */
export function useKeys(model: ClassroomModel): void {
  useEffect(() => {
    const unit = unitOf(model);
    const down = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented || typing(event.target)) return;
      const sheet = unit.sheet.peek();
      if (event.key === "Escape") unit.sheet.value = "";
      else if (event.key === "h" || event.key === "H") unit.raiseHand(unit.hand.peek() === null);
      else if (event.key === "s" || event.key === "S") unit.open("signs");
      else if (event.key === "c" || event.key === "C") unit.open("chat");
      else if (sheet === "signs" && "1234".indexOf(event.key) >= 0) {
        const sign = SIGNS[Number(event.key) - 1];
        if (sign === undefined) return;
        unit.give(sign);
        unit.sheet.value = "";
      } else return;
      // The letter is not to land in a field that opens with it.
      event.preventDefault();
    };
    addEventListener("keydown", down);
    return () => removeEventListener("keydown", down);
  }, [model]);
}

/** Fields take letters of their own, and so does the menu. */
function typing(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("input, select, textarea, [contenteditable], .menu") !== null;
}
