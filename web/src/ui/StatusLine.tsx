/** One sentence about how things are, in words, colour and shape. Empty when all is well; announced politely. */

import type { JSX } from "preact";
import type { TextKey } from "../lib/i18n";
import { Icon, type IconName } from "./Icon";

export type Tone = "good" | "weak" | "lost" | "wait" | "note";

/** What a line is to say, before it is said in the language of the reader. */
export interface Sentence {
  readonly tone: Tone;
  readonly text: TextKey;
}

const ICONS: Readonly<Record<Tone, IconName>> = {
  good: "good",
  weak: "weak",
  lost: "lost",
  wait: "wait",
  note: "note",
};

export interface StatusLineProps {
  readonly tone: Tone;
  /** The sentence; empty: the line keeps its place and says nothing. */
  readonly text: string;
  /** A running figure beside the sentence, such as "0:12", which screen readers do not read each second. */
  readonly ticking?: string | undefined;
  readonly class?: string | undefined;
  readonly test?: string | undefined;
}

export function StatusLine({ tone, text, ticking, class: extra, test }: StatusLineProps): JSX.Element {
  const classes = `status-line status-${tone}${extra === undefined ? "" : ` ${extra}`}`;
  return (
    <div class={classes} data-test={test} data-tone={text === "" ? "" : tone}>
      {text !== "" && <Icon name={ICONS[tone]} />}
      <span role="status">{text}</span>
      {ticking !== undefined && ticking !== "" && (
        <span class="status-ticking" aria-hidden="true">
          {"\u00a0· "}
          {ticking}
        </span>
      )}
    </div>
  );
}
