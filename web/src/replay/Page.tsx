/** The replay page as a whole: asks the API until there is something to play, says in words what it waits for, and never
 * gives up. */

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ApiError, type PageLink, type Replay, getReplay } from "../lib/api";
import { type TextKey, dayAndTime, language, t } from "../lib/i18n";
import { LanguageSwitch } from "../ui/LanguageSwitch";
import { StatusLine } from "../ui/StatusLine";
import { Player } from "./Player";
import { type View, askAgainMs, isFinal, retryMs, viewOf } from "./model";

const HEADINGS: Readonly<Record<Exclude<View, "play">, readonly [title: TextKey, text: TextKey]>> = {
  waiting: ["replay.waiting.title", "replay.waiting.text"],
  preparing: ["replay.preparing.title", "replay.preparing.text"],
  unrecorded: ["replay.unrecorded.title", "replay.unrecorded.text"],
  nothing: ["replay.nothing.title", "replay.nothing.text"],
};

/** The answer of the API, asked again while the lesson may grow. `lost`: the last question had no answer. */
interface Answer {
  readonly replay: Replay | null;
  readonly lost: boolean;
  readonly refused: boolean;
}

function useReplay(link: PageLink): Answer {
  const [answer, setAnswer] = useState<Answer>({ replay: null, lost: false, refused: false });
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let closed = false;
    let failures = 0;
    const ask = async (): Promise<void> => {
      let next_ms: number | null;
      try {
        const replay = await getReplay(link.lesson, link.token);
        if (closed) return;
        failures = 0;
        setAnswer({ replay, lost: false, refused: false });
        next_ms = askAgainMs(replay);
      } catch (problem) {
        if (closed) return;
        const refused = problem instanceof ApiError && isFinal(problem.status);
        setAnswer((old) => ({ replay: old.replay, lost: !refused, refused }));
        next_ms = refused ? null : retryMs(failures, Math.random());
        failures += 1;
      }
      if (next_ms !== null) timer = setTimeout(() => void ask(), next_ms);
    };
    const atOnce = (): void => {
      if (failures === 0) return;
      clearTimeout(timer);
      void ask();
    };
    void ask();
    window.addEventListener("online", atOnce);
    return () => {
      closed = true;
      clearTimeout(timer);
      window.removeEventListener("online", atOnce);
    };
  }, [link]);
  return answer;
}

export function Page({ link }: { link: PageLink }): JSX.Element {
  const { replay, lost, refused } = useReplay(link);
  const title = replay?.lesson.title ?? "";
  useEffect(() => {
    document.title = title === "" ? t("title.replay") : `${title} · ${t("title.replay")}`;
  }, [title, language.value]);

  if (refused) return <LinkInvalid />;
  if (replay === null) {
    return (
      <Message>
        <h1>{t("title.replay")}</h1>
        <StatusLine
          test="message"
          tone={lost ? "lost" : "wait"}
          text={lost ? t("replay.net.lost") : t("replay.loading")}
        />
      </Message>
    );
  }
  const view = viewOf(replay);
  if (view !== "play") {
    const [heading, text] = HEADINGS[view];
    return (
      <Message>
        {title !== "" && <p class="replay-lesson">{title}</p>}
        <h1 data-test="message">{t(heading)}</h1>
        <p>{t(text)}</p>
        <StatusLine tone="lost" text={lost ? t("replay.net.lost") : ""} />
      </Message>
    );
  }
  return (
    <div class="replay-page">
      <header class="replay-header">
        <div class="replay-title">
          <h1>{title === "" ? t("lesson.untitled") : title}</h1>
          {replay.lesson.started_at_ms !== null && <p>{dayAndTime(replay.lesson.started_at_ms)}</p>}
        </div>
        <LanguageSwitch />
      </header>
      <Player replay={replay} link={link} renew={() => getReplay(link.lesson, link.token).catch(() => null)} />
    </div>
  );
}

function Message({ children }: { children: JSX.Element | (JSX.Element | false)[] }): JSX.Element {
  return (
    <main class="message-page replay-message">
      {children}
      <LanguageSwitch />
    </main>
  );
}

/** For a link that cannot work: mistyped, withdrawn, or of a deleted lesson. */
export function LinkInvalid(): JSX.Element {
  return (
    <Message>
      <h1 data-test="message">{t("error.link.title")}</h1>
      <p>{t("error.link.text")}</p>
    </Message>
  );
}
