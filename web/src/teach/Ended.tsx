/** After the lesson: thanks, the replay's link, and the way to the report. */

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { PageLink } from "../lib/api";
import { t } from "../lib/i18n";
import { Button } from "../ui/Button";
import { MessagePage } from "../ui/MessagePage";
import type { TeachModel } from "./model";

const COPIED_SHOWN_MS = 2_000;

export function Ended({ model }: { readonly model: TeachModel }): JSX.Element {
  const copied = useSignal(false);
  const view = model.page.view.value;
  const path = view?.replayUrl ?? "";
  const recorded = view?.recording.state !== "off" && path !== "";
  // Whole, as it will be pasted elsewhere.
  const url = path === "" ? "" : new URL(path, location.href).href;
  const copy = (): void => {
    void copyText(url).then((done) => {
      copied.value = done;
      setTimeout(() => (copied.value = false), COPIED_SHOWN_MS);
    });
  };
  return (
    <MessagePage title={t("end.done")} text={t(recorded ? "end.replay" : "end.norecording")} test="ended">
      {recorded && (
        <div class="replay-link">
          <a href={url} target="_blank" rel="noopener" data-test="replay-link">
            {withoutToken(url)}
          </a>
          <div class="question-actions">
            <Button label={t(copied.value ? "copied" : "copy")} icon="copy" look="primary" onPress={copy} test="copy" />
          </div>
        </div>
      )}
      <a href={reportUrl(model.page.link)} target="_blank" rel="noopener" data-test="report-link">
        {t("end.report")}
      </a>
    </MessagePage>
  );
}

/** This link's own token opens the report. */
function reportUrl({ lesson, token }: PageLink): string {
  return `/report/${lesson}#${token}`;
}

/** The address as a person reads it: the token after `#` is only noise to the eye, and is in the link all the same. */
function withoutToken(url: string): string {
  const { host, pathname } = new URL(url);
  return host + pathname;
}

/** Copy, also where the page may not use the clipboard API (plain http on a LAN). */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.appendChild(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
