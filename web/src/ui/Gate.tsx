/** The messages that stand in place of a live page: a wrong link, another window, a full lesson, a browser of yore. */

import type { JSX } from "preact";
import { t } from "../lib/i18n";
import { Button } from "./Button";
import { MessagePage } from "./MessagePage";

/** True where live media can work at all. */
export function canDoLive(): boolean {
  return typeof RTCPeerConnection === "function" && "addTransceiver" in RTCPeerConnection.prototype;
}

export function OldBrowser({ replayUrl }: { readonly replayUrl: string }): JSX.Element {
  return (
    <MessagePage title={t("error.browser.title")} text={t("error.browser.text")} test="error">
      {replayUrl !== "" && (
        <a class="button button-primary" href={replayUrl}>
          {t("error.browser.replay")}
        </a>
      )}
    </MessagePage>
  );
}

export function WrongLink(): JSX.Element {
  return <MessagePage title={t("error.link.title")} text={t("error.link.text")} test="error" />;
}

/** What the server's refusal means to a person. */
export function Refused({ reason, onRetry }: { readonly reason: string; readonly onRetry: () => void }): JSX.Element {
  if (reason === "replaced") {
    return (
      <MessagePage title={t("error.replaced.title")} text={t("error.replaced.text")} test="error">
        <Button label={t("error.replaced.here")} look="primary" onPress={onRetry} />
      </MessagePage>
    );
  }
  if (reason === "full") return <MessagePage title={t("error.full.title")} text={t("error.full.text")} test="error" />;
  return <WrongLink />;
}
