/** A place in the lesson that is worth finding again: a chapter of the replay. */

import type { JSX } from "preact";
import { t } from "../../lib/i18n";
import { Button } from "../../ui/Button";
import type { Desk } from "./desk";

export function MarkButton({ desk }: { readonly desk: Desk }): JSX.Element | null {
  if (desk.model.page.view.value?.recording.state !== "recording") return null;
  const marked = desk.marked.value;
  return (
    <>
      <Button
        label={t(marked ? "mark.done" : "mark.moment")}
        hint={t("mark.hint")}
        icon={marked ? "good" : "bookmark"}
        look="quiet"
        class="mark-button"
        onPress={() => desk.mark()}
        test="mark"
      />
      <span class="visually-hidden" role="status">
        {marked ? t("mark.done") : ""}
      </span>
    </>
  );
}
