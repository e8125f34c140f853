/** The classroom's one status line: at the bottom edge, one sentence, empty when all is well. */

import type { JSX } from "preact";
import { clock, t } from "../lib/i18n";
import { steadyMs } from "../lib/ticker";
import { StatusLine } from "../ui/StatusLine";
import type { ClassroomModel } from "./model";

/** Trouble shorter than this is over before it is read. */
const PATIENCE_S = 1;

export function Status({ model }: { readonly model: ClassroomModel }): JSX.Element {
  const sentence = model.sentence.value;
  const since = model.troubleSinceMs.value;
  const seconds = since === null ? 0 : (steadyMs.value - since) / 1000;
  const passing = since !== null && seconds < PATIENCE_S && model.page.view.value !== null;
  const text = sentence === null || passing ? "" : t(sentence.text);
  return (
    <StatusLine
      tone={sentence?.tone ?? "note"}
      text={text}
      ticking={text !== "" && since !== null && seconds >= 2 ? clock(seconds) : ""}
      class={text === "" ? "status-empty" : "status-said"}
      test="status-line"
    />
  );
}
