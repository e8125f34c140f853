/** The palette: tools, colours, widths, undo, pages. A column beside the stage, or rows below it on a phone. Knows no strokes
 * and no socket: what is pressed goes to who owns the board. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { t, type TextKey } from "../lib/i18n";
import { recall, remember } from "../lib/storage";
import "./board.css";
import { COLORS, colorOf, commandOf, FEW_TOOLS, hasColor, keyOf, SIZES, TOOLS, withColor, type Choice } from "./choice";

export interface PageTurner {
  /** From 1. */
  readonly at: number;
  readonly of: number;
  readonly onTurn: (to: number) => void;
  /** Add a blank page; left out where there can be none. */
  readonly onNew?: (() => void) | undefined;
}

export interface ToolsProps {
  readonly choice: Choice;
  readonly onChoice: (choice: Choice) => void;
  readonly onCommand: (command: "undo" | "redo" | "clear") => void;
  readonly pages?: PageTurner | undefined;
  /** Another hand turns and clears the pages; this one draws on what is shown. */
  readonly follows?: boolean | undefined;
  /** For a classroom: fewer and larger. */
  readonly few?: boolean | undefined;
}

const ICONS = {
  pen: "M4 20l1.2-4.6L16.5 4.1a1.8 1.8 0 0 1 2.5 0l.9.9a1.8 1.8 0 0 1 0 2.5L8.6 18.8zM14.5 6.2l3.3 3.3",
  highlighter: "M8.5 13.5l7-9a1.5 1.5 0 0 1 2.1-.2l2 1.7a1.5 1.5 0 0 1 .2 2.1l-7.3 8.7-4.2.2-1.6 1.8H4.5l3.3-3.6zM4 21h16",
  eraser: "M8 19.5l-4.3-4.3a1.8 1.8 0 0 1 0-2.5l8.2-8.2a1.8 1.8 0 0 1 2.5 0l5.1 5.1a1.8 1.8 0 0 1 0 2.5L12 19.5zM8.5 8L16 15.5M8 19.5h12",
  line: "M5 19L19 5",
  rectangle: "M4 6h16v12H4z",
  ellipse: "M12 5.5c5 0 9 2.9 9 6.5s-4 6.5-9 6.5-9-2.9-9-6.5 4-6.5 9-6.5z",
  text: "M5 7.5V5h14v2.5M12 5v14M9 19h6",
  laser: "M12 9.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5zM12 3v2.5M12 18.5V21M3 12h2.5M18.5 12H21M5.6 5.6l1.8 1.8M16.6 16.6l1.8 1.8M18.4 5.6l-1.8 1.8M7.4 16.6l-1.8 1.8",
  undo: "M9 5L4.5 9.5 9 14M5 9.5h9a5 5 0 0 1 0 10h-3",
  redo: "M15 5l4.5 4.5L15 14M19 9.5h-9a5 5 0 0 0 0 10h3",
  previous: "M14.5 5.5L8 12l6.5 6.5",
  next: "M9.5 5.5L16 12l-6.5 6.5",
  new: "M6 3.5h8l4.5 4.5v12.5H6zM12 10.5v6M9 13.5h6",
  clear: "M5 7h14M9.5 7V4.5h5V7M7 7l.8 12.5h8.4L17 7M10.3 11v5M13.7 11v5",
} as const;

type Sign = keyof typeof ICONS;

/** So many lessons with words under the icons; after that the hand knows them. */
const LESSONS_WITH_WORDS = 3;

interface PieceProps {
  readonly sign: Sign;
  readonly label: string;
  /** Under the icon, where words are shown. */
  readonly word?: string | undefined;
  readonly hint?: string | undefined;
  readonly onPress: () => void;
  readonly pressed?: boolean | undefined;
  readonly disabled?: boolean | undefined;
  readonly press?: { current: HTMLButtonElement | null } | undefined;
}

function Piece(props: PieceProps): JSX.Element {
  const { sign, label, word, hint } = props;
  return (
    <button
      type="button"
      class={`board-piece board-piece-${sign}`}
      aria-label={label}
      aria-pressed={props.pressed}
      title={hint === undefined ? label : `${label} (${hint})`}
      disabled={props.disabled === true}
      onClick={props.onPress}
      ref={props.press ?? null}
      data-test={`board-${sign}`}
    >
      <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
        <path d={ICONS[sign]} fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" />
      </svg>
      {word !== undefined && <span class="board-word">{word}</span>}
    </button>
  );
}

function Group({ name, kind, children }: { name: TextKey; kind: string; children: ComponentChildren }): JSX.Element {
  return (
    <div class={`board-group board-group-${kind}`} role="group" aria-label={t(name)}>
      {children}
    </div>
  );
}

export function Tools(props: ToolsProps): JSX.Element {
  const { choice, onChoice, onCommand, pages, few = false, follows = false } = props;
  const words = useWords() || few;
  useKeys(props);
  const word = (text: string): string | undefined => (words ? text : undefined);
  return (
    <div class={`board-tools${few ? " board-tools-few" : ""}${words ? " board-tools-worded" : ""}`} data-test="board-tools">
      <Group name="board.tools" kind="tools">
        {(few ? FEW_TOOLS : TOOLS).map((tool) => (
          <Piece
            key={tool}
            sign={tool}
            label={t(`board.tool.${tool}`)}
            word={word(t(`board.tool.${tool}`))}
            hint={few ? undefined : keyOf(tool).toUpperCase()}
            pressed={choice.tool === tool}
            onPress={() => onChoice({ ...choice, tool })}
          />
        ))}
      </Group>
      <Group name="board.colors" kind="colors">
        {COLORS.map(({ name, value }) => (
          <button
            key={name}
            type="button"
            class={`board-color board-color-${name}`}
            aria-label={t(`board.color.${name}`)}
            title={t(`board.color.${name}`)}
            aria-pressed={hasColor(choice.tool) && colorOf(choice) === value}
            onClick={() => onChoice(withColor(choice, value))}
            data-test={`board-color-${name}`}
          >
            <i style={{ background: value }} />
          </button>
        ))}
      </Group>
      {!few && (
        <Group name="board.sizes" kind="sizes">
          {SIZES.map(({ size, name }) => (
            <button
              key={name}
              type="button"
              class={`board-size board-size-${name}`}
              aria-label={t(`board.size.${name}`)}
              title={t(`board.size.${name}`)}
              aria-pressed={choice.size === size}
              onClick={() => onChoice({ ...choice, size })}
              data-test={`board-size-${name}`}
            >
              <i />
            </button>
          ))}
        </Group>
      )}
      <Group name="board.history" kind="history">
        <Piece sign="undo" label={t("board.undo")} word={word(t("board.undo"))} hint={few ? undefined : "Ctrl+Z"} onPress={() => onCommand("undo")} />
        <Piece sign="redo" label={t("board.redo")} word={word(t("board.redo"))} hint={few ? undefined : "Ctrl+Y"} onPress={() => onCommand("redo")} />
      </Group>
      {!few && !follows && <PageGroup pages={pages} words={words} onClear={() => onCommand("clear")} />}
    </div>
  );
}

/** Pages, and what is done to a whole page. Clearing asks once, in the place of its own button. */
function PageGroup({ pages, words, onClear }: { pages: PageTurner | undefined; words: boolean; onClear: () => void }): JSX.Element {
  const [asks, setAsks] = useState(false);
  const keep = useRef<HTMLButtonElement>(null);
  const clear = useRef<HTMLButtonElement>(null);
  const asked = useRef(false);
  useEffect(() => {
    // The focus stays where the question was asked, and returns to it.
    if (asks) keep.current?.focus();
    else if (asked.current) clear.current?.focus();
    asked.current = asks;
  }, [asks]);
  // A question about a page that is no longer seen would clear another.
  useEffect(() => {
    asked.current = false;
    setAsks(false);
  }, [pages?.at]);
  if (asks) {
    const answer = (yes: boolean): void => {
      if (yes) onClear();
      setAsks(false);
    };
    return (
      <div
        class="board-group board-group-ask"
        role="group"
        aria-label={t("board.clear.ask")}
        onKeyDown={(event) => event.key === "Escape" && answer(false)}
      >
        <span class="board-ask">{t("board.clear.ask")}</span>
        <button type="button" class="button button-danger" onClick={() => answer(true)} data-test="board-clear-yes">
          {t("board.clear.yes")}
        </button>
        <button type="button" class="button" ref={keep} onClick={() => answer(false)} data-test="board-clear-no">
          {t("board.clear.no")}
        </button>
      </div>
    );
  }
  return (
    <Group name="board.pages" kind="pages">
      {pages !== undefined && (
        <>
          <Piece sign="previous" label={t("board.previous")} hint="←" disabled={pages.at <= 1} onPress={() => pages.onTurn(pages.at - 1)} />
          <span class="board-at" aria-live="polite" data-test="board-at">
            <span class="visually-hidden">{t("board.at", { at: pages.at, of: pages.of })}</span>
            <span aria-hidden="true">{`${pages.at} / ${pages.of}`}</span>
          </span>
          <Piece sign="next" label={t("board.next")} hint="→" disabled={pages.at >= pages.of} onPress={() => pages.onTurn(pages.at + 1)} />
          {pages.onNew !== undefined && (
            <Piece sign="new" label={t("board.new")} word={words ? t("board.new.word") : undefined} onPress={pages.onNew} />
          )}
        </>
      )}
      <Piece sign="clear" label={t("board.clear")} word={words ? t("board.clear.word") : undefined} press={clear} onPress={() => setAsks(true)} />
    </Group>
  );
}

/** Whether this hand still needs words; decided once, so that nothing jumps. */
function useWords(): boolean {
  const [words] = useState(() => {
    const lessons = Number(recall("board.lessons") ?? "0") || 0;
    if (lessons < LESSONS_WITH_WORDS) remember("board.lessons", `${lessons + 1}`);
    return lessons < LESSONS_WITH_WORDS;
  });
  return words;
}

function useKeys(props: ToolsProps): void {
  const latest = useRef(props);
  latest.current = props;
  useEffect(() => {
    const down = (event: KeyboardEvent): void => {
      const { few, choice, onChoice, onCommand, pages } = latest.current;
      if (few === true || event.defaultPrevented || elsewhere(event.target)) return;
      const command = commandOf(event);
      if (command === null) return;
      event.preventDefault();
      if (command === "undo" || command === "redo") onCommand(command);
      else if (command === "next" || command === "previous") turn(latest.current.follows === true ? undefined : pages, command === "next" ? 1 : -1);
      else onChoice({ ...choice, tool: command });
    };
    addEventListener("keydown", down);
    return () => removeEventListener("keydown", down);
  }, []);
}

function turn(pages: PageTurner | undefined, by: 1 | -1): void {
  if (pages === undefined) return;
  const to = pages.at + by;
  if (to >= 1 && to <= pages.of) pages.onTurn(to);
}

/** Fields, sliders and dialogs take keys of their own. */
function elsewhere(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return /^(INPUT|SELECT|TEXTAREA|VIDEO|AUDIO)$/.test(target.tagName) || target.closest("[role=dialog], [role=slider]") !== null;
}
