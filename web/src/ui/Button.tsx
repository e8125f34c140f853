/** The one button of every page: a word, an icon beside or above it, a look. Always has an accessible name. */

import type { ComponentChildren, JSX } from "preact";
import { Icon, type IconName } from "./Icon";

export interface ButtonProps {
  /** The word on it, and its accessible name. */
  readonly label: string;
  readonly icon?: IconName | undefined;
  readonly onPress: () => void;
  readonly look?: "plain" | "primary" | "danger" | "quiet" | undefined;
  /** `stacked`: the word under the icon; `icon-only`: the word is for screen readers and the tooltip. */
  readonly shape?: "normal" | "large" | "stacked" | "icon-only" | undefined;
  /** For a button that is on or off: announced as a toggle. */
  readonly pressed?: boolean | undefined;
  readonly disabled?: boolean | undefined;
  /** Longer tooltip, such as the keyboard shortcut. */
  readonly hint?: string | undefined;
  readonly expanded?: boolean | undefined;
  readonly class?: string | undefined;
  readonly test?: string | undefined;
  readonly children?: ComponentChildren | undefined;
}

export function Button(props: ButtonProps): JSX.Element {
  const { label, icon, look = "plain", shape = "normal" } = props;
  const classes = ["button", `button-${look}`, `button-${shape}`];
  if (props.class !== undefined) classes.push(props.class);
  const iconOnly = shape === "icon-only";
  return (
    <button
      type="button"
      class={classes.join(" ")}
      onClick={props.onPress}
      disabled={props.disabled === true}
      aria-pressed={props.pressed}
      aria-expanded={props.expanded}
      aria-label={iconOnly ? label : undefined}
      title={props.hint ?? (iconOnly ? label : undefined)}
      data-test={props.test}
    >
      {icon !== undefined && <Icon name={icon} />}
      {!iconOnly && <span class="button-text">{label}</span>}
      {props.children}
    </button>
  );
}
