/** The classroom page: which of its screens is shown. */

import type { JSX } from "preact";
import { t } from "../lib/i18n";
import { Button } from "../ui/Button";
import { Refused } from "../ui/Gate";
import { MessagePage } from "../ui/MessagePage";
import { Live } from "./Live";
import type { ClassroomModel } from "./model";
import { Waiting } from "./Waiting";

export function ClassroomPage({ model }: { readonly model: ClassroomModel }): JSX.Element {
  const { signalling, view, left } = model.page;
  const title = view.value?.lesson.title ?? "";
  document.title = title === "" ? t("title.class") : `${title} · ${t("title.class")}`;
  if (left.value) {
    return (
      <MessagePage title={t("menu.left")} test="left">
        <Button label={t("menu.back")} look="primary" shape="large" onPress={() => model.comeBack()} test="back" />
      </MessagePage>
    );
  }
  if (signalling.phase.value === "refused") {
    return <Refused reason={signalling.reason.value} onRetry={() => signalling.start()} />;
  }
  const state = view.value?.lesson.state;
  // What was missed is heard to its end.
  if (state === "ended" && !model.hearing.finishing.value) return <Ended model={model} />;
  if (state === "live" || state === "ended") return <Live model={model} />;
  return <Waiting model={model} />;
}

function Ended({ model }: { readonly model: ClassroomModel }): JSX.Element {
  // Told only where the operator opens replays to classrooms: the classroom's own token opens none by default.
  const replay = model.page.view.value?.replayUrl ?? "";
  return (
    <MessagePage title={t("class.ended")} text={t("class.ended.thanks")} test="ended">
      {replay !== "" && (
        <a class="button button-primary button-large" href={replay}>
          {t("error.browser.replay")}
        </a>
      )}
    </MessagePage>
  );
}
