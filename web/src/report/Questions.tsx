/** The questions of the lesson: what all chose, as a chart, and the classrooms one beside the other. */

import type { JSX } from "preact";
import { language, t } from "../lib/i18n";
import { Icon } from "../ui/Icon";
import { Bar } from "./Bar";
import { type Poll, type Stretch, choicesOf, inOrder, letter, rightShare } from "./model";
import { percent } from "./words";

export function Questions({ polls }: { readonly polls: readonly Poll[] }): JSX.Element {
  return (
    <section class="report-section">
      <h2>{t("report.questions")}</h2>
      {polls.map((poll, n) => (
        <Question key={poll.poll} poll={poll} number={n + 1} />
      ))}
    </section>
  );
}

function Question({ poll, number }: { readonly poll: Poll; readonly number: number }): JSX.Element {
  const text = poll.question === "" ? t("report.question.untitled") : poll.question;
  return (
    <article class="report-question" data-test="question">
      <h3>
        <span class="report-number">{number}</span> {text}
      </h3>
      <ul class="report-choices">
        {choicesOf(poll).map((choice, n) => (
          <li key={n} class={choice.right ? "is-right" : undefined} data-right={choice.right ? "" : undefined}>
            <span class="report-letter">{letter(n)}</span>
            <span class="report-choice">
              {choice.text}
              {choice.right && (
                <strong>
                  <Icon name="good" />
                  {t("report.right")}
                </strong>
              )}
            </span>
            <Bar stretches={bar(choice.right ? "right" : "chosen", choice.share)} />
            <span class="report-count">
              {t("report.pupils", { count: choice.count })} <small>{percent(choice.share)}</small>
            </span>
          </li>
        ))}
      </ul>
      {poll.answers.length > 0 ? <Compared poll={poll} text={text} /> : <p class="report-quiet">{t("report.unanswered")}</p>}
    </article>
  );
}

function Compared({ poll, text }: { readonly poll: Poll; readonly text: string }): JSX.Element {
  const marked = poll.right !== null;
  return (
    <table class={marked ? "report-compared" : "report-compared is-plain"} aria-label={t("report.compared", { question: text })}>
      <thead>
        <tr>
          <th scope="col">{t("report.column.classroom")}</th>
          {poll.choices.map((choice, n) => (
            <th key={n} scope="col" class={poll.right === n ? "is-number is-right" : "is-number"} title={choice}>
              {letter(n)}
            </th>
          ))}
          {marked && (
            <th scope="col" class="is-share">
              {t("report.column.right")}
            </th>
          )}
        </tr>
      </thead>
      <tbody>
        {inOrder(poll.answers, language.value).map((answer) => {
          const share = rightShare(poll, answer.counts);
          return (
            <tr key={answer.participant}>
              <th scope="row">{answer.name}</th>
              {poll.choices.map((_, n) => (
                <td key={n} class={poll.right === n ? "is-number is-right" : "is-number"}>
                  {answer.counts[n] ?? 0}
                </td>
              ))}
              {marked && (
                <td class="is-share">
                  {share === null ? (
                    "–"
                  ) : (
                    <div>
                      <Bar stretches={bar("right", share)} />
                      <span>{percent(share)}</span>
                    </div>
                  )}
                </td>
              )}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function bar(kind: "right" | "chosen", share: number): readonly Stretch[] {
  return share > 0 ? [{ kind, from: 0, to: share }] : [];
}
