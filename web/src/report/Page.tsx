/** The report page as a whole: asks the API while anything may still come, and says in words what it waits for. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ApiError, type PageLink, getJson } from "../lib/api";
import { backoffMs } from "../lib/backoff";
import { language, t, timeOfDay } from "../lib/i18n";
import { Button } from "../ui/Button";
import { LanguageSwitch } from "../ui/LanguageSwitch";
import { MessagePage } from "../ui/MessagePage";
import { StatusLine } from "../ui/StatusLine";
import { download } from "./download";
import { type Report, askAgainMs, figuresOf, isFinal, minutes, viewOf } from "./model";
import { Questions } from "./Questions";
import { Rooms } from "./Rooms";
import { fileName, span, when } from "./words";

/** The answer of the API. `lost`: the last question had no answer; `atMs`: when it was answered last, by this machine. */
interface Answer {
  readonly report: Report | null;
  readonly atMs: number;
  readonly lost: boolean;
  readonly refused: boolean;
}

function useReport(link: PageLink): Answer {
  const [answer, setAnswer] = useState<Answer>({ report: null, atMs: 0, lost: false, refused: false });
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let closed = false;
    let failures = 0;
    const ask = async (): Promise<void> => {
      let next_ms: number | null;
      try {
        const report = await getJson<Report>(`/api/reports/${link.lesson}`, link.token);
        if (closed) return;
        failures = 0;
        setAnswer({ report, atMs: Date.now(), lost: false, refused: false });
        next_ms = askAgainMs(report, Date.now());
      } catch (problem) {
        if (closed) return;
        const refused = problem instanceof ApiError && isFinal(problem.status);
        setAnswer((old) => ({ ...old, lost: !refused, refused }));
        next_ms = refused ? null : backoffMs(failures, Math.random());
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

export function Page({ link }: { readonly link: PageLink }): JSX.Element {
  const { report, atMs, lost, refused } = useReport(link);
  const title = titleOf(report);
  useEffect(() => {
    document.title = report === null ? t("title.report") : `${title} · ${t("title.report")}`;
  }, [title, language.value]);

  if (refused) return <LinkInvalid />;
  if (report === null) {
    return (
      <MessagePage title={t("title.report")} test="message">
        <StatusLine tone={lost ? "lost" : "wait"} text={t(lost ? "report.net.lost" : "report.loading")} />
      </MessagePage>
    );
  }
  if (viewOf(report) === "waiting") return <Waiting report={report} lost={lost} />;
  return <Whole report={report} link={link} atMs={atMs} lost={lost} />;
}

function titleOf(report: Report | null): string {
  return report === null || report.lesson.title === "" ? t("lesson.untitled") : report.lesson.title;
}

function Waiting({ report, lost }: { readonly report: Report; readonly lost: boolean }): JSX.Element {
  const count = report.rooms.length;
  return (
    <MessagePage title={t("report.waiting.title")} text={t("report.waiting.text")} test="waiting">
      <p>
        <strong>{titleOf(report)}</strong>
      </p>
      {count > 0 && <p>{t("report.waiting.rooms", { count })}</p>}
      <StatusLine tone="lost" text={lost ? t("report.net.lost") : ""} />
    </MessagePage>
  );
}

function Whole(props: { report: Report; link: PageLink; atMs: number; lost: boolean }): JSX.Element {
  const { report, link, atMs, lost } = props;
  return (
    <div class="report-page">
      <header class="report-header">
        <div class="report-title">
          <p>{t("title.report")}</p>
          <h1>{titleOf(report)}</h1>
          <p data-test="when">
            {when(report)} · {span(report.duration_s)}
          </p>
        </div>
        <Tools report={report} link={link} />
      </header>
      <main>
        <Standing report={report} atMs={atMs} lost={lost} />
        {viewOf(report) === "nobody" ? (
          <p class="report-nobody" data-test="nobody">
            {t(report.ended_at_ms === null ? "report.nobody.yet" : "report.nobody")}
          </p>
        ) : (
          <>
            <Figures report={report} />
            <Rooms report={report} />
          </>
        )}
        {report.polls.length > 0 && <Questions polls={report.polls} />}
        <div class="report-rest">
          <List title={t("report.marks")} lines={report.marks.map((mark) => ({ text: mark, more: "" }))} />
          <List
            title={t("report.volunteers")}
            lines={report.volunteers.map(({ name, present_s }) => ({ text: name, more: span(present_s) }))}
          />
          <List title={t("report.board")} lines={board(report)} />
        </div>
      </main>
    </div>
  );
}

/** What is still to come, or why nothing does; one line that keeps its place while the lesson runs. */
function Standing({ report, atMs, lost }: { readonly report: Report; readonly atMs: number; readonly lost: boolean }): JSX.Element {
  const time = timeOfDay(atMs);
  const running = report.ended_at_ms === null;
  const text = lost ? t("report.net.lost.since", { time }) : running ? t("report.running", { time }) : "";
  return <StatusLine class="report-standing" test="standing" tone={lost ? "lost" : "wait"} text={text} />;
}

function Tools({ report, link }: { readonly report: Report; readonly link: PageLink }): JSX.Element {
  const [failed, setFailed] = useState(false);
  const save = (): void => {
    download(`/api/reports/${link.lesson}?format=csv`, link.token, fileName(report)).then(
      () => setFailed(false),
      () => setFailed(true),
    );
  };
  return (
    <div class="report-tools">
      <Button label={t("report.csv")} icon="save" onPress={save} test="csv" />
      <Button label={t("report.print")} icon="print" onPress={() => window.print()} test="print" />
      <LanguageSwitch />
      {failed && <StatusLine tone="lost" text={t("report.csv.failed")} />}
    </div>
  );
}

function Figures({ report }: { readonly report: Report }): JSX.Element {
  const { classrooms, pupils, heardAll } = figuresOf(report);
  const all = heardAll === classrooms;
  return (
    <dl class="report-figures" data-test="figures">
      <Figure label={t("report.figure.classrooms", { count: classrooms })}>{number(classrooms)}</Figure>
      <Figure label={t(pupils === null ? "report.figure.pupils.unsaid" : "report.figure.pupils", { count: pupils ?? 0 })}>
        {pupils === null ? "–" : number(pupils)}
      </Figure>
      <Figure label={t("report.figure.minutes", { count: minutes(report.duration_s) })}>
        {number(minutes(report.duration_s))}
      </Figure>
      <Figure label={t(all ? "report.figure.heard.all" : "report.figure.heard")} tone={all ? "good" : "weak"}>
        {all ? t("report.figure.heard.yes") : t("report.figure.heard.some", { heard: heardAll, count: classrooms })}
      </Figure>
    </dl>
  );
}

function Figure(props: { label: string; tone?: "good" | "weak"; children: ComponentChildren }): JSX.Element {
  return (
    <div class={props.tone === undefined ? "report-figure" : `report-figure is-${props.tone}`}>
      <dt>{props.label}</dt>
      <dd>{props.children}</dd>
    </div>
  );
}

interface Line {
  readonly text: string;
  readonly more: string;
}

function List({ title, lines }: { readonly title: string; readonly lines: readonly Line[] }): JSX.Element | null {
  if (lines.length === 0) return null;
  return (
    <section class="report-section">
      <h2>{title}</h2>
      <ul class="report-list">
        {lines.map(({ text, more }, n) => (
          <li key={n}>
            <span>{text}</span> {more !== "" && <small>{more}</small>}
          </li>
        ))}
      </ul>
    </section>
  );
}

function board({ slides, chat_lines }: Report): readonly Line[] {
  const lines = slides > 0 ? [{ text: t("report.slides", { count: slides }), more: "" }] : [];
  return chat_lines > 0 ? lines.concat({ text: t("report.chat", { count: chat_lines }), more: "" }) : lines;
}

function number(value: number): string {
  return new Intl.NumberFormat(language.value).format(value);
}

/** For a link that cannot work: mistyped, withdrawn, of a deleted lesson, or of somebody who may not read reports. */
export function LinkInvalid(): JSX.Element {
  return <MessagePage title={t("error.link.title")} text={t("error.link.text")} test="message" />;
}
