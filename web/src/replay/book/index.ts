/** What a replay shows beside pictures and sound: board, chapters, questions, chat, search. Loaded when the page is there, so
 * that the first sound waits for none of it. */

import "./book.css";

export { Board } from "./Board";
export { Book } from "./book";
export { chapterText, Panel } from "./Panel";
export { Peek } from "./Peek";
export { Sounding } from "./sounding";
