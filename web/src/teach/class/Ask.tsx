/** A question with choices: written in a moment or without a word, answered by the rooms, closed, and the right one shown. */

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { Poll } from "../../generated/messages";
import { t } from "../../lib/i18n";
import { Button } from "../../ui/Button";
import { StatusLine } from "../../ui/StatusLine";
import { Chart, Compared } from "./Chart";
import type { RoomsModel } from "./model";
import { answered, LETTERS, letterOf, newest, pupils } from "./poll";

const FEWEST = 2;
const MOST_LETTERS = 300;
const MOST_LETTERS_CHOICE = 120;

export interface AskProps {
  readonly rooms: RoomsModel;
  readonly polls: readonly Poll[];
}

export function Ask({ rooms, polls }: AskProps): JSX.Element {
  // The newest question is shown until another is begun; one that is open can be left for a look at the form only by closing.
  const writing = useSignal(newest(polls) === null || newest(polls)?.state === "revealed");
  const looked = useSignal("");
  const last = newest(polls);
  const shown = polls.find((one) => one.poll === looked.value) ?? (writing.value && last?.state !== "open" ? null : last);
  const earlier = polls.filter((one) => one !== shown).reverse();
  return (
    <>
      <div class="panel-body">
        {shown === null ? (
          <Compose
            onAsk={(question, choices) => {
              // Without the socket the form stays, and what was written with it.
              if (!rooms.send({ type: "open_poll", question, choices })) return;
              writing.value = false;
              looked.value = "";
            }}
          />
        ) : (
          <Asked
            rooms={rooms}
            poll={shown}
            onNew={() => {
              writing.value = true;
              looked.value = "";
            }}
          />
        )}
        {earlier.length > 0 && (
          <details class="earlier">
            <summary>{t("poll.earlier", { count: earlier.length })}</summary>
            <ul>
              {earlier.map((one) => (
                <li key={one.poll}>
                  <button type="button" class="earlier-poll" onClick={() => (looked.value = one.poll)}>
                    <span>{one.question === "" ? t("poll.untitled", { letters: LETTERS.slice(0, one.choices.length).split("").join(" ") }) : one.question}</span>
                    <span class="soft">{t("poll.pupils.count", { count: pupils(one) })}</span>
                  </button>
                </li>
              ))}
            </ul>
          </details>
        )}
      </div>
    </>
  );
}

function Compose({ onAsk }: { readonly onAsk: (question: string, choices: readonly string[]) => void }): JSX.Element {
  const question = useSignal("");
  const choices = useSignal<readonly string[]>(["", "", "", ""]);
  const set = (place: number, text: string): void => {
    choices.value = choices.value.map((one, n) => (n === place ? text : one));
  };
  return (
    <form
      class="compose"
      onSubmit={(event) => {
        event.preventDefault();
        onAsk(
          question.value.trim(),
          choices.value.map((one) => one.trim()),
        );
      }}
    >
      <span data-first>
        <Button label={t("poll.quick")} icon="chart" look="primary" class="compose-quick" onPress={() => onAsk("", ["", "", "", ""])} test="quick" />
      </span>
      <p class="compose-or soft">{t("poll.quick.text")}</p>
      <label class="field">
        <span class="field-label">{t("poll.question")}</span>
        <input
          type="text"
          maxLength={MOST_LETTERS}
          value={question.value}
          onInput={(event) => (question.value = event.currentTarget.value)}
          data-test="question"
        />
      </label>
      <fieldset class="compose-choices">
        <legend class="field-label">{t("poll.choices")}</legend>
        {choices.value.map((text, place) => (
          <label key={place} class="compose-choice">
            <span class={`letter letter-${place}`}>{letterOf(place)}</span>
            <input
              type="text"
              maxLength={MOST_LETTERS_CHOICE}
              aria-label={t("poll.choice.text", { letter: letterOf(place) })}
              value={text}
              onInput={(event) => set(place, event.currentTarget.value)}
              data-test="choice"
            />
          </label>
        ))}
      </fieldset>
      <div class="compose-actions">
        <Button
          label={t("poll.fewer")}
          disabled={choices.value.length <= FEWEST}
          onPress={() => (choices.value = choices.value.slice(0, -1))}
        />
        <Button
          label={t("poll.more")}
          disabled={choices.value.length >= LETTERS.length}
          onPress={() => (choices.value = choices.value.concat([""]))}
        />
        <button type="submit" class="button button-primary button-normal" data-test="open-poll">
          {t("poll.open")}
        </button>
      </div>
    </form>
  );
}

interface AskedProps {
  readonly rooms: RoomsModel;
  readonly poll: Poll;
  readonly onNew: () => void;
}

function Asked({ rooms, poll, onNew }: AskedProps): JSX.Element {
  const here = rooms.classrooms.value.filter((one) => one.online).map((one) => one.id);
  const { count, of } = answered(poll, here);
  const open = poll.state === "open";
  return (
    <section data-test="poll" data-state={poll.state}>
      {poll.question !== "" && <p class="poll-question">{poll.question}</p>}
      <StatusLine
        tone={!open || count === of ? "good" : "wait"}
        text={`${t("poll.answered", { answered: count, count: of })} · ${t("poll.pupils.count", { count: pupils(poll) })}`}
        test="answered-by"
      />
      <Chart poll={poll} />
      <div class="poll-actions">
        {open ? (
          <Button
            label={t("poll.close")}
            icon="stop"
            look="primary"
            onPress={() => rooms.send({ type: "close_poll", poll: poll.poll })}
            test="close-poll"
          />
        ) : (
          <Button label={t("poll.new")} icon="chart" look={poll.state === "revealed" ? "primary" : "plain"} onPress={onNew} test="new-poll" />
        )}
      </div>
      {!open && (
        <div class="reveal" role="group" aria-label={t("poll.reveal")}>
          <span class="reveal-words">{t("poll.reveal")}</span>
          {poll.choices.map((_, n) => (
            <button
              key={n}
              type="button"
              class={`letter letter-press letter-${n}`}
              aria-pressed={poll.state === "revealed" && poll.right === n}
              aria-label={t("poll.reveal.one", { letter: letterOf(n) })}
              onClick={() => rooms.send({ type: "reveal", poll: poll.poll, right: n })}
              data-test="reveal"
            >
              {letterOf(n)}
            </button>
          ))}
        </div>
      )}
      <Compared poll={poll} />
    </section>
  );
}
