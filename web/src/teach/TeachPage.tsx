/** The teach page: which of its screens is shown. */

import type { JSX } from "preact";
import { t } from "../lib/i18n";
import { Refused } from "../ui/Gate";
import { Before } from "./Before";
import { Ended } from "./Ended";
import { Lesson } from "./Lesson";
import type { TeachModel } from "./model";

export function TeachPage({ model }: { readonly model: TeachModel }): JSX.Element {
  const { signalling, view } = model.page;
  const title = view.value?.lesson.title ?? "";
  document.title = title === "" ? t("title.teach") : `${title} · ${t("title.teach")}`;
  if (signalling.phase.value === "refused") {
    return <Refused reason={signalling.reason.value} onRetry={() => signalling.start()} />;
  }
  const state = view.value?.lesson.state;
  if (state === "live" && model.joined.value) return <Lesson model={model} />;
  if (state === "ended") return <Ended model={model} />;
  return <Before model={model} />;
}
