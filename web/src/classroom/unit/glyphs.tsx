/** Icons that only this part of the page shows; drawn as those of `ui/Icon.tsx`. */

import type { JSX } from "preact";

const PATHS = {
  hand: "M8 12V5.5a1.5 1.5 0 0 1 3 0V11V4a1.5 1.5 0 0 1 3 0v7V5.5a1.5 1.5 0 0 1 3 0V14c0 4.5-2.2 7-6 7-3.2 0-4.6-1.4-6-4.2L3.3 13.4a1.5 1.5 0 0 1 2.6-1.5L8 14.5",
  ear: "M7 10a5.5 5.5 0 1 1 10.5 2.3c-.9 1.9-2.7 2.3-2.7 4.7a3.5 3.5 0 0 1-6.3 2.1M10 10.5a2.5 2.5 0 0 1 5 0c0 1.6-1.6 1.8-1.6 3.2",
  eye: "M2.5 12C6 5.5 18 5.5 21.5 12 18 18.5 6 18.5 2.5 12zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z",
  slower: "M12 6.5a7.5 7.5 0 1 0 0 15 7.5 7.5 0 0 0 0-15zM12 10v4.5l-2.5 2M9.5 2.5h5M12 2.5v4",
  again: "M4 12a8 8 0 1 0 2.5-5.8M4 4v4.5h4.5",
  message: "M4.5 5h15A1.5 1.5 0 0 1 21 6.5v9a1.5 1.5 0 0 1-1.5 1.5H12l-5 4v-4H4.5A1.5 1.5 0 0 1 3 15.5v-9A1.5 1.5 0 0 1 4.5 5z",
  minus: "M5 12h14",
  plus: "M5 12h14M12 5v14",
  check: "M4 12.8l5.2 5.2L20 6.5",
  picture: "M3 6.5A1.5 1.5 0 0 1 4.5 5h15A1.5 1.5 0 0 1 21 6.5v11a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 17.5zM3 16l5-5 4 4 3-3 6 5.5",
  numbers: "M5 9h14M4 15h14M10.5 4L8 20M16.5 4L14 20",
  cards: "M4 8h9v12H4zM8 8V4h12v12h-7",
} as const;

export type GlyphName = keyof typeof PATHS;

export function Glyph({ name }: { readonly name: GlyphName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" />
    </svg>
  );
}

export interface PressProps {
  readonly label: string;
  readonly glyph: GlyphName;
  readonly onPress: () => void;
  readonly pressed?: boolean;
  readonly expanded?: boolean;
  readonly hint?: string;
  readonly look?: "plain" | "primary" | "quiet";
  readonly disabled?: boolean;
  readonly class?: string;
  readonly test?: string;
}

/** A button as every other of the page, with an icon of this part. */
export function Press(props: PressProps): JSX.Element {
  return (
    <button
      type="button"
      class={`button button-${props.look ?? "plain"} ${props.class ?? ""}`}
      onClick={props.onPress}
      disabled={props.disabled === true}
      aria-pressed={props.pressed}
      aria-expanded={props.expanded}
      title={props.hint}
      data-test={props.test}
    >
      <Glyph name={props.glyph} />
      <span class="button-text">{props.label}</span>
    </button>
  );
}

/** A round button with a sign alone, for steps. */
export function Step({ label, glyph, onPress, test }: { readonly label: string; readonly glyph: GlyphName; readonly onPress: () => void; readonly test?: string }): JSX.Element {
  return (
    <button type="button" class="button unit-step" aria-label={label} onClick={onPress} data-test={test}>
      <Glyph name={glyph} />
    </button>
  );
}
