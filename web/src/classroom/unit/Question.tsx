/** A question with choices, large enough for the last row: while it is open the local teacher counts beside each choice; then
 * the result of all classrooms, and the right answer by mark, word and colour. */

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { Poll } from "../../generated/messages";
import { t } from "../../lib/i18n";
import type { ClassroomModel } from "../model";
import { Count, Done } from "./Asked";
import { bars, compared, letter, over, same, sum, takenBack, type Tally, tapped, totals, withCount } from "./counting";
import { Press } from "./glyphs";
import { unitOf } from "./model";

/** As many classrooms side by side as can be read from the last row. */
const COMPARED = 4;

interface Props {
  readonly model: ClassroomModel;
  readonly poll: Poll;
}

export function Question({ model, poll }: Props): JSX.Element {
  const unit = unitOf(model);
  const open = poll.state === "open";
  return (
    <section class="unit-ask" aria-label={t("unit.poll")} data-test="poll" data-state={poll.state}>
      <h2 class="unit-ask-title">{poll.question === "" ? t("unit.poll") : poll.question}</h2>
      {open ? <Entry model={model} poll={poll} /> : <Result model={model} poll={poll} />}
      <div class="unit-ask-last">
        {open && <Answered model={model} poll={poll} />}
        <Press
          label={t(open ? "unit.poll.hide" : "unit.poll.done")}
          glyph="picture"
          look="quiet"
          onPress={() => (open ? (unit.aside.value = true) : unit.closeResult())}
          test={open ? "poll-hide" : "poll-done"}
        />
      </div>
    </section>
  );
}

function Entry({ model, poll }: Props): JSX.Element {
  const unit = unitOf(model);
  const cards = useSignal(false);
  const { tally } = unit.draft.value;
  const set = (next: Tally): void => {
    unit.draft.value = { poll: poll.poll, tally: next };
  };
  return (
    <>
      {cards.value ? <Cards poll={poll} tally={tally} onTally={set} /> : <Rows poll={poll} tally={tally} onTally={set} />}
      <div class="unit-ask-foot">
        <Press
          label={t(cards.value ? "unit.poll.numbers" : "unit.poll.cards")}
          glyph={cards.value ? "numbers" : "cards"}
          onPress={() => (cards.value = !cards.value)}
          test="poll-cards"
        />
        {cards.value && (
          <Press
            label={t("unit.poll.undo")}
            glyph="again"
            disabled={tally.taps.length === 0}
            onPress={() => set(takenBack(tally))}
            test="poll-undo"
          />
        )}
        <Sum counts={tally.counts} heads={unit.heads.value} />
        <Send model={model} poll={poll} counts={tally.counts} />
      </div>
    </>
  );
}

interface TallyProps {
  readonly poll: Poll;
  readonly tally: Tally;
  readonly onTally: (tally: Tally) => void;
}

function Rows({ poll, tally, onTally }: TallyProps): JSX.Element {
  return (
    <ol class="unit-choices" aria-label={t("unit.poll.enter")}>
      {poll.choices.map((choice, n) => (
        <li key={n} class={`unit-choice unit-choice-${n}`}>
          <span class="unit-letter">{letter(n)}</span>
          <span class="unit-choice-text">{choice}</span>
          <Count
            value={tally.counts[n] ?? 0}
            label={t("unit.poll.count", { letter: letter(n) })}
            onChange={(count) => onTally(withCount(tally, n, count))}
            test={`count-${letter(n)}`}
          />
        </li>
      ))}
    </ol>
  );
}

/** Pupils hold up cards: one tap on its colour for each that is seen. */
function Cards({ poll, tally, onTally }: TallyProps): JSX.Element {
  return (
    <>
      <p class="unit-cards-text">{t("unit.poll.cards.text")}</p>
      <div class={`unit-cards unit-cards-${poll.choices.length}`}>
        {poll.choices.map((_, n) => (
          <button
            key={n}
            type="button"
            class={`unit-card-tap unit-choice-${n}`}
            onClick={() => onTally(tapped(tally, n))}
            data-test={`card-${letter(n)}`}
          >
            <span class="unit-card-letter">{letter(n)}</span>
            <span class="unit-card-count">{tally.counts[n] ?? 0}</span>
            <span class="visually-hidden">{t("unit.plus")}</span>
          </button>
        ))}
      </div>
    </>
  );
}

function Sum({ counts, heads }: { readonly counts: readonly number[]; readonly heads: number | null }): JSX.Element {
  const all = sum(counts);
  const many = over(counts, heads);
  const words = heads === null ? t("unit.poll.sum.alone", { count: all }) : t("unit.poll.sum", { sum: all, heads });
  return (
    <p class={many > 0 ? "unit-sum unit-sum-over" : "unit-sum"} role="status" data-test="poll-sum">
      {many > 0 ? `${words} · ${t("unit.poll.over", { count: many })}` : words}
    </p>
  );
}

function Send({ model, poll, counts }: Props & { readonly counts: readonly number[] }): JSX.Element {
  const unit = unitOf(model);
  const sent = unit.answered.value;
  const asSent = same(counts, sent);
  const sending = unit.sending.value?.poll === poll.poll;
  return (
    <button
      type="button"
      class="button button-primary unit-send"
      disabled={asSent || sending || sum(counts) === 0}
      onClick={() => unit.answer()}
      data-test="poll-send"
    >
      {t(sending ? "unit.poll.sending" : sent === null ? "unit.poll.send" : "unit.poll.again")}
    </button>
  );
}

function Answered({ model, poll }: Props): JSX.Element {
  const unit = unitOf(model);
  const sent = unit.answered.value !== null;
  const rooms = (model.page.view.value?.participants ?? []).filter((one) => one.role === "classroom" && one.online).length;
  const count = poll.answers.length;
  return (
    <p class="unit-answered" role="status" data-test="poll-answered">
      {sent && <Done words={t("unit.poll.sent")} test="poll-sent" />}
      {rooms > 1 && <span>{t("unit.poll.rooms", { count, rooms: Math.max(rooms, count) })}</span>}
    </p>
  );
}

function Result({ model, poll }: Props): JSX.Element {
  const { you } = unitOf(model);
  if (poll.answers.length === 0) return <Choices poll={poll} counts={null} nobody />;
  return (
    <>
      <Choices poll={poll} counts={totals(poll)} />
      {poll.answers.length > 1 && <Compared poll={poll} you={you.value} />}
    </>
  );
}

/** All classrooms together: one bar for each choice, the figure in words at its end. */
function Choices({ poll, counts, nobody = false }: { readonly poll: Poll; readonly counts: readonly number[] | null; readonly nobody?: boolean }): JSX.Element {
  const all = counts === null ? null : bars(counts);
  return (
    <>
      <p class="unit-result-of">{nobody ? t("unit.poll.nobody") : t("unit.poll.all", { count: poll.answers.length })}</p>
      <ol class="unit-choices" data-test="poll-result">
        {poll.choices.map((choice, n) => {
          const right = poll.state === "revealed" && poll.right === n;
          const bar = all?.[n];
          return (
            <li key={n} class={`unit-choice unit-choice-${n}${right ? " unit-right" : ""}`} data-right={right}>
              <span class="unit-letter">{letter(n)}</span>
              <span class="unit-choice-text">
                {choice}
                {right && <Done words={t("unit.poll.right")} test="poll-right" />}
                {bar !== undefined && (
                  <span class="unit-bar">
                    <span class="unit-bar-fill" style={{ width: `${bar.length * 100}%` }} />
                  </span>
                )}
              </span>
              {bar !== undefined && <span class="unit-share">{t("unit.poll.share", { count: bar.count, percent: bar.percent })}</span>}
            </li>
          );
        })}
      </ol>
    </>
  );
}

/** Several classrooms, each with the same small chart. */
function Compared({ poll, you }: { readonly poll: Poll; readonly you: string }): JSX.Element {
  const { rooms, more } = compared(poll, you, COMPARED);
  return (
    <div class="unit-compared" data-test="poll-rooms">
      <h3 class="visually-hidden">{t("unit.poll.each")}</h3>
      <ul class="unit-rooms">
        {rooms.map((room) => (
          <li key={room.participant} class={room.participant === you ? "unit-room unit-room-us" : "unit-room"}>
            <span class="unit-room-name">{room.participant === you ? t("unit.poll.us") : room.name}</span>
            <span class="unit-room-bars">
              {bars(room.counts).map((bar, n) => (
                <span key={n} class={`unit-room-bar unit-choice-${n}${poll.state === "revealed" && poll.right === n ? " unit-right" : ""}`}>
                  <span class="unit-room-count">{bar.count}</span>
                  <span class="unit-room-column">
                    <span class="unit-bar-fill" style={{ height: `${bar.length * 100}%` }} />
                  </span>
                  <span class="unit-room-letter">{letter(n)}</span>
                </span>
              ))}
            </span>
          </li>
        ))}
      </ul>
      {more > 0 && <p>{t("unit.poll.others", { count: more })}</p>}
    </div>
  );
}
