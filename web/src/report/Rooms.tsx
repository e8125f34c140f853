/** The table of classrooms. On a narrow screen each becomes a card, so the roles of a table are said outright: a browser
 * forgets them where rows are blocks. */

import type { ComponentChildren, JSX } from "preact";
import { type TextKey, language, t } from "../lib/i18n";
import { StatusLine } from "../ui/StatusLine";
import { Bar, Swatch } from "./Bar";
import { type Kind, type Report, type Room, inOrder, presence, received, stacked, worthAWord } from "./model";
import { asked, heard, span, there } from "./words";

const WORDS: Readonly<Record<Kind, TextKey>> = {
  full: "report.rung.full",
  reduced: "report.rung.reduced",
  screen: "report.rung.screen",
  sound: "report.rung.sound",
  thin: "report.rung.thin",
  behind: "report.rung.behind",
  reconnecting: "report.rung.reconnecting",
};

const COLUMNS = [
  "report.column.classroom",
  "report.column.there",
  "report.column.received",
  "report.column.heard",
  "report.column.called",
  "report.column.hands",
  "report.column.answers",
] as const;

export function Rooms({ report }: { readonly report: Report }): JSX.Element {
  return (
    <section class="report-section">
      <h2 id="rooms">{t("report.rooms")}</h2>
      <table class="report-rooms" role="table" aria-labelledby="rooms" data-test="rooms">
        <thead role="rowgroup">
          <tr role="row">
            {COLUMNS.map((key) => (
              <th key={key} role="columnheader" scope="col">
                {t(key)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {inOrder(report.rooms, language.value).map((room) => (
            <Row key={room.participant} room={room} report={report} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Row({ room, report }: { readonly room: Room; readonly report: Report }): JSX.Element {
  const was = there(room, report);
  const sentence = heard(room);
  const questions = report.polls.length;
  return (
    <tr role="row">
      <th class="report-name" role="rowheader" scope="row">
        {room.name}
        {room.heads !== null && <small>{t("report.pupils", { count: room.heads })}</small>}
      </th>
      <Cell label="report.column.there" wide>
        <Bar stretches={presence(room, report.duration_s)} />
        <p>
          {was.words}
          {was.hours !== "" && <small class="report-hours">{was.hours}</small>}
        </p>
      </Cell>
      <Cell label="report.column.received" wide>
        <Bar stretches={stacked(received(room), report.duration_s)} />
        <ul class="report-received">
          {worthAWord(room).map(({ kind, seconds }) => (
            <li key={kind}>
              <Swatch kind={kind} />
              {t(WORDS[kind])} <small>{span(seconds)}</small>
            </li>
          ))}
        </ul>
      </Cell>
      <Cell label="report.column.heard" wide>
        <StatusLine tone={sentence.tone} text={sentence.text} />
        {room.behind_s > 0 && <small>{t("report.caught", { span: span(room.behind_s) })}</small>}
      </Cell>
      <Cell label="report.column.called">
        {room.called > 0 && (
          <>
            {t("report.times", { count: room.called })} <small>{span(room.called_s)}</small>
          </>
        )}
      </Cell>
      <Cell label="report.column.hands">
        {asked(room).map((line) => (
          <p key={line}>{line}</p>
        ))}
      </Cell>
      <Cell label="report.column.answers">
        {questions > 0 && t("report.answered", { answered: room.answered, count: questions })}
      </Cell>
    </tr>
  );
}

/** `wide`: takes a line of its own on a card. Nothing in it reads as a dash, and takes no line there. */
function Cell(props: { label: TextKey; wide?: boolean; children: ComponentChildren }): JSX.Element {
  const nothing = isNothing(props.children);
  const classes = [props.wide === true ? "is-wide" : "", nothing ? "is-nothing" : ""].filter((one) => one !== "");
  return (
    <td role="cell" class={classes.join(" ")}>
      <span class="report-label" aria-hidden="true">
        {t(props.label)}
      </span>
      <div>{nothing ? "–" : props.children}</div>
    </td>
  );
}

function isNothing(children: ComponentChildren): boolean {
  return children === false || children === null || (Array.isArray(children) && children.length === 0);
}
