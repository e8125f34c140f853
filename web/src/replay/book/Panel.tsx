/** Beside the stage, or below it on a phone: chapters, questions, chat and search, each a press away from its second. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ownerOf } from "../../lib/board";
import { clock, type TextKey, t } from "../../lib/i18n";
import { Icon, type IconName } from "../../ui/Icon";
import { MOMENT_ICONS, momentText } from "../Moments";
import { find, type Found, MOST_FOUND, wordsOf } from "../find";
import { type Chapter, countsOf, currentAt, type Question } from "../outline";
import { pageName } from "./Board";
import type { Book } from "./book";

const TABS = ["chapters", "questions", "chat", "search"] as const;
type Tab = (typeof TABS)[number];
const TAB_TEXTS: Readonly<Record<Tab, TextKey>> = {
  chapters: "replay.chapters",
  questions: "replay.questions",
  chat: "replay.chat",
  search: "replay.search",
};

export function Panel({ book }: { readonly book: Book }): JSX.Element {
  const [tab, setTab] = useState<Tab>("chapters");
  const [query, setQuery] = useState("");
  const turn = (event: KeyboardEvent): void => {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -TABS.length, End: TABS.length }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const at = Math.max(0, Math.min(TABS.length - 1, TABS.indexOf(tab) + step));
    setTab(TABS[at] ?? tab);
    const list = event.currentTarget as HTMLElement;
    (list.children[at] as HTMLElement | undefined)?.focus();
  };
  return (
    <section class="replay-panel" aria-label={t("replay.panel")} data-test="panel">
      <div class="replay-tabs" role="tablist" aria-label={t("replay.panel")} onKeyDown={turn}>
        {TABS.map((one) => (
          <button
            key={one}
            type="button"
            role="tab"
            id={`tab-${one}`}
            class="replay-tab"
            aria-selected={one === tab}
            aria-controls="replay-list"
            tabIndex={one === tab ? 0 : -1}
            onClick={() => setTab(one)}
            data-test={`tab-${one}`}
          >
            {t(TAB_TEXTS[one])}
          </button>
        ))}
      </div>
      <div class="replay-list" role="tabpanel" id="replay-list" aria-labelledby={`tab-${tab}`} data-test="list" key={tab}>
        {tab === "chapters" && <Chapters book={book} />}
        {tab === "questions" && <Questions book={book} />}
        {tab === "chat" && <Chat book={book} />}
        {tab === "search" && <Search book={book} query={query} onQuery={setQuery} />}
      </div>
    </section>
  );
}

/** One place to jump to. */
function Place(props: {
  readonly book: Book;
  readonly at_s: number;
  readonly current?: boolean | undefined;
  readonly picture?: ComponentChildren | undefined;
  readonly children: ComponentChildren;
  readonly test?: string | undefined;
}): JSX.Element {
  const { book, at_s, current = false } = props;
  return (
    <button
      type="button"
      class={`replay-place${current ? " is-current" : ""}`}
      aria-current={current ? "true" : undefined}
      onClick={() => book.controller.seek(at_s)}
      data-test={props.test}
    >
      {props.picture}
      <span class="replay-place-text">{props.children}</span>
      <span class="replay-place-time">{clock(at_s)}</span>
    </button>
  );
}

function Picture({ icon }: { readonly icon: IconName }): JSX.Element {
  return (
    <span class="replay-place-picture">
      <Icon name={icon} />
    </span>
  );
}

/** The slide itself, small; until it is there, a sheet. */
function Thumb({ book, page }: { readonly book: Book; readonly page: string }): JSX.Element {
  const url = book.decks.thumb(page);
  if (url === null) return <Picture icon="slides" />;
  return (
    <span class="replay-place-picture">
      <img src={url} alt="" loading="lazy" />
    </span>
  );
}

function Nothing({ text }: { readonly text: TextKey }): JSX.Element {
  return (
    <p class="replay-nothing" data-test="nothing">
      {t(text)}
    </p>
  );
}

/** The index of the current one of `all`, drawn anew only when that changes. */
function useCurrent(book: Book, all: readonly { readonly at_s: number }[]): number {
  const [at, setAt] = useState(-1);
  useEffect(() => book.controller.position_s.subscribe((second) => setAt(currentAt(all, second + 0.05))), [book, all]);
  return at;
}

/** Keep the current one in sight where the list scrolls by itself; the page itself is never moved. */
function useInSight(at: number): { readonly current: HTMLOListElement | null } {
  const list = useRef<HTMLOListElement>(null);
  useEffect(() => {
    const ol = list.current;
    const room = ol?.parentElement;
    const item = ol?.children[at] as HTMLElement | undefined;
    if (!room || item === undefined || room.scrollHeight <= room.clientHeight || room.matches(":hover, :focus-within")) return;
    const top = item.offsetTop - room.offsetTop;
    if (top < room.scrollTop || top + item.offsetHeight > room.scrollTop + room.clientHeight) {
      room.scrollTop = top - room.clientHeight / 3;
    }
  }, [at]);
  return list;
}

function Chapters({ book }: { readonly book: Book }): JSX.Element {
  const chapters = book.chapters.value;
  const at = useCurrent(book, chapters);
  const list = useInSight(at);
  if (chapters.length === 0) {
    return book.state.value === "asking" ? <Nothing text="replay.panel.loading" /> : <Nothing text="replay.chapters.none" />;
  }
  return (
    <ol ref={list}>
      {chapters.map((chapter, n) => (
        <li key={`${chapter.kind}${chapter.at_s}${n}`}>
          <Place book={book} at_s={chapter.at_s} current={n === at} picture={<ChapterPicture book={book} chapter={chapter} />} test="chapter">
            <ChapterText chapter={chapter} />
          </Place>
        </li>
      ))}
    </ol>
  );
}

function ChapterPicture({ book, chapter }: { readonly book: Book; readonly chapter: Chapter }): JSX.Element {
  switch (chapter.kind) {
    case "slide":
      return <Thumb book={book} page={chapter.page} />;
    case "board":
      return <Picture icon="pencil" />;
    case "media":
      return <Picture icon="play" />;
    case "mark":
      return <Picture icon="bookmark" />;
    case "moment":
      return <Picture icon={MOMENT_ICONS[chapter.moment.kind]} />;
  }
}

function ChapterText({ chapter }: { readonly chapter: Chapter }): JSX.Element {
  if (chapter.kind === "mark") return <strong>{chapterText(chapter)}</strong>;
  return <>{chapterText(chapter)}</>;
}

/** One chapter in words. */
export function chapterText(chapter: Chapter): string {
  switch (chapter.kind) {
    case "slide":
    case "board":
      return pageName(chapter.page, chapter.name);
    case "media":
      return chapter.name;
    case "mark":
      return chapter.text === "" ? t("replay.mark") : chapter.text;
    case "moment":
      return momentText(chapter.moment);
  }
}

function Questions({ book }: { readonly book: Book }): JSX.Element {
  const { questions } = book.outline.value;
  const at = useCurrent(book, questions);
  if (questions.length === 0) return <Nothing text="replay.questions.none" />;
  return (
    <ol>
      {questions.map((one, n) => (
        <li key={one.poll} class="replay-question">
          <Place book={book} at_s={one.at_s} current={n === at} test="question">
            <strong>{one.question === "" ? t("replay.question.spoken") : one.question}</strong>
          </Place>
          <Results question={one} />
        </li>
      ))}
    </ol>
  );
}

function Results({ question }: { readonly question: Question }): JSX.Element {
  const counts = countsOf(question);
  const all = counts.reduce((sum, count) => sum + count, 0);
  const most = Math.max(1, ...counts);
  return (
    <>
      <ul class="replay-results">
        {question.choices.map((choice, n) => {
          const right = question.right === n;
          const count = counts[n] ?? 0;
          return (
            <li key={n} class={right ? "is-right" : undefined}>
              <span class="replay-choice">
                {choice}
                {right && (
                  <span class="replay-right">
                    <Icon name="good" />
                    {t("replay.question.right")}
                  </span>
                )}
              </span>
              <span class="replay-count">{t("replay.question.count", { count })}</span>
              <span class="replay-bar-room" aria-hidden="true">
                <span style={{ width: `${(count / most) * 100}%` }} />
              </span>
            </li>
          );
        })}
      </ul>
      <p class="replay-answered">
        {all === 0 ? t("replay.question.unanswered") : t("replay.question.rooms", { count: question.answers.length })}
      </p>
    </>
  );
}

function Chat({ book }: { readonly book: Book }): JSX.Element {
  const { chat } = book.outline.value;
  const at = useCurrent(book, chat);
  const list = useInSight(at);
  if (chat.length === 0) return <Nothing text="replay.chat.none" />;
  return (
    <ol ref={list}>
      {chat.map((line, n) => (
        <li key={line.seq}>
          <Place book={book} at_s={line.at_s} current={n === at} test="chat-line">
            <span class={`replay-who${line.role === "teacher" ? " is-teacher" : ""}`}>{line.name}</span>
            {line.text}
          </Place>
        </li>
      ))}
    </ol>
  );
}

function Search(props: { readonly book: Book; readonly query: string; readonly onQuery: (query: string) => void }): JSX.Element {
  const { book, query, onQuery } = props;
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    // Where a keyboard would cover the page it waits for a touch.
    if (matchMedia("(hover: hover)").matches) field.current?.focus();
  }, []);
  const outline = book.outline.value;
  const manifests = book.decks.manifests.value;
  const found = useMemo(() => find(outline, (page) => book.decks.page(page), query), [outline, manifests, query]);
  const asked = wordsOf(query).length > 0;
  return (
    <>
      <input
        ref={field}
        class="replay-search"
        type="search"
        maxLength={80}
        value={query}
        placeholder={t("replay.search.hint")}
        aria-label={t("replay.search.hint")}
        onInput={(event) => onQuery(event.currentTarget.value)}
        data-test="search-field"
      />
      <p class="replay-found" role="status" data-test="found">
        {!asked ? "" : found.length === 0 ? t("replay.search.none") : t("replay.search.found", { count: found.length })}
      </p>
      <ol>
        {found.slice(0, MOST_FOUND).map((one, n) => (
          <li key={n}>
            <Place book={book} at_s={one.at_s} picture={<FoundPicture book={book} found={one} />} test="found-place">
              <span class="replay-who">{foundName(one)}</span>
              {one.before}
              <mark>{one.hit}</mark>
              {one.after}
            </Place>
          </li>
        ))}
      </ol>
    </>
  );
}

function FoundPicture({ book, found }: { readonly book: Book; readonly found: Found }): JSX.Element {
  switch (found.kind) {
    case "slide":
      return <Thumb book={book} page={found.page} />;
    case "mark":
      return <Picture icon="bookmark" />;
    case "question":
      return <Picture icon="help" />;
    case "chat":
      return <Picture icon="people" />;
  }
}

function foundName(found: Found): string {
  switch (found.kind) {
    case "slide":
      return ownerOf(found.page) === "" ? "" : pageName(found.page, found.name);
    case "mark":
      return t("replay.mark");
    case "question":
      return t("replay.questions");
    case "chat":
      return found.name;
  }
}
