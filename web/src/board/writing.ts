/** The field in which a text is written onto the page. Works with input methods: Enter that chooses a Chinese word does not end
 * the text. Knows the DOM, and nothing of strokes. */

import { MOST_TEXT } from "./strokes";

export interface Key {
  readonly key: string;
  readonly shiftKey: boolean;
  readonly isComposing: boolean;
  /** 229 while an input method takes the key: Safari says so even when it has just ended composing. */
  readonly keyCode: number;
}

/** What a key does to the text. `composing` is what `compositionstart` and `compositionend` said last. */
export function keyMeans(key: Key, composing: boolean): "commit" | "cancel" | "type" {
  if (composing || key.isComposing || key.keyCode === 229) return "type";
  if (key.key === "Escape") return "cancel";
  return key.key === "Enter" && !key.shiftKey ? "commit" : "type";
}

export interface WritingPlace {
  /** In 1/10000 of the page's width, as is the size of the letters. */
  readonly x: number;
  readonly y: number;
  readonly size: number;
  readonly color: string;
  readonly label: string;
  readonly hint: string;
}

/** Open a field on `page`; `onText` hears once what was written, if anything. Returns what commits and closes it. */
export function openWriting(page: HTMLElement, place: WritingPlace, onText: (text: string) => void): () => void {
  const field = document.createElement("textarea");
  field.className = "board-writing";
  field.rows = 1;
  field.maxLength = MOST_TEXT;
  field.placeholder = place.hint;
  field.setAttribute("aria-label", place.label);
  const { style } = field;
  const unit = (n: number): string => `calc(var(--board-unit) * ${n})`;
  style.left = unit(place.x);
  style.top = unit(place.y);
  style.width = unit(Math.max(place.size * 4, 9_900 - place.x));
  style.fontSize = unit(place.size);
  style.color = place.color;
  let composing = false;
  let open = true;

  const close = (keep: boolean): void => {
    if (!open) return;
    open = false;
    const text = field.value;
    page.removeChild(field);
    if (keep) onText(text);
  };
  field.addEventListener("compositionstart", () => (composing = true));
  field.addEventListener("compositionend", () => (composing = false));
  field.addEventListener("keydown", (event) => {
    // The page's shortcuts are for hands that do not write.
    event.stopPropagation();
    const means = keyMeans(event, composing);
    if (means === "type") return;
    event.preventDefault();
    close(means === "commit");
  });
  field.addEventListener("input", () => {
    style.height = "auto";
    style.height = `${field.scrollHeight}px`;
  });
  field.addEventListener("blur", () => close(true));
  page.appendChild(field);
  // Within the press that opened it: a phone shows its keyboard for nothing less.
  field.focus();
  return () => close(true);
}
