/** What a question came to, as bars: over all classrooms, and each classroom small beside the others. A table for those who
 * hear the page; letters beside colours for those who do not tell them apart. */

import type { JSX } from "preact";
import type { Answer, Poll } from "../../generated/messages";
import { t } from "../../lib/i18n";
import { Icon } from "../../ui/Icon";
import { letterOf, rows, rowsOf } from "./poll";

/** Over all classrooms. */
export function Chart({ poll }: { readonly poll: Poll }): JSX.Element {
  return (
    <table class="chart" data-test="chart">
      <caption class="visually-hidden">{t("poll.all")}</caption>
      <thead class="visually-hidden">
        <tr>
          <th scope="col">{t("poll.choice")}</th>
          <th scope="col">{t("poll.pupils")}</th>
          <th scope="col">{t("poll.share")}</th>
        </tr>
      </thead>
      <tbody>
        {rows(poll).map(({ choice, letter, text, count, percent, length }) => {
          const right = poll.state === "revealed" && poll.right === choice;
          return (
            <tr key={choice} class={right ? "chart-right" : ""} data-choice={letter}>
              <th scope="row">
                <span class="chart-choice">
                  <span class={`letter letter-${choice}`}>{letter}</span>
                  {text !== "" && <span class="chart-text">{text}</span>}
                </span>
                {right && (
                  <span class="chart-mark">
                    <Icon name="good" />
                    {t("poll.right")}
                  </span>
                )}
              </th>
              <td class="chart-count">
                <span class="chart-track" aria-hidden="true">
                  <span class={`chart-bar letter-${choice}`} style={{ width: `${length * 100}%` }} />
                </span>
                <span data-test="count">{count}</span>
              </td>
              <td class="chart-percent">{t("figure.percent", { percent })}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

/** Each classroom, where there are several. */
export function Compared({ poll }: { readonly poll: Poll }): JSX.Element | null {
  if (poll.answers.length < 2) return null;
  return (
    <>
      <h3>{t("poll.compared")}</h3>
      <ul class="multiples">
        {poll.answers.map((answer) => (
          <Small key={answer.participant} poll={poll} answer={answer} />
        ))}
      </ul>
    </>
  );
}

/** One classroom's bars, upright. */
function Small({ poll, answer }: { readonly poll: Poll; readonly answer: Answer }): JSX.Element {
  const said = answer.counts.map((count, n) => t("poll.count", { letter: letterOf(n), count })).join(t("strip.summary.join"));
  return (
    <li class="multiple" data-test="multiple">
      <span class="multiple-name">{answer.name}</span>
      <span class="visually-hidden">{said}</span>
      <span class="multiple-bars" aria-hidden="true">
        {rowsOf(poll, answer.counts).map(({ choice, letter, count, length }) => (
          <span key={choice} class="multiple-column">
            <span class="multiple-count">{count}</span>
            <span class="multiple-track">
              <span class={`multiple-bar letter-${choice}`} style={{ height: `${length * 100}%` }} />
            </span>
            <span class={`multiple-letter${poll.state === "revealed" && poll.right === choice ? " multiple-right" : ""}`}>{letter}</span>
          </span>
        ))}
      </span>
    </li>
  );
}
