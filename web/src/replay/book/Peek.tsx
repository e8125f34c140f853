/** Over the line of time: the slide that was shown at the second under the pointer. */

import type { JSX } from "preact";
import { pageAt } from "../outline";
import type { Book } from "./book";

export function Peek({ book, at_s }: { readonly book: Book; readonly at_s: number }): JSX.Element | null {
  const page = pageAt(book.outline.value.shown, at_s);
  const url = page === "" ? null : book.decks.thumb(page);
  return url === null ? null : <img class="replay-peek" src={url} alt="" data-test="peek" />;
}
