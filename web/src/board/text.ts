/** Where the lines of a written text break. Widths are estimated, not measured: every computer has other fonts, and yet every
 * classroom must see the same lines, and the eraser the same box. Knows no canvas. */

/** In font sizes, from one line to the next. */
export const LINE_HEIGHT = 1.35;
/** The page's width, and the least that a text gets of it however far right it begins. */
const RIGHT = 9_900;
const LEAST_EMS = 4;

const WIDE = /[\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]|[\ud800-\udbff][\udc00-\udfff]/;
/** These may not begin a line; they stay with the character before them. */
const CLOSING = /[，。、！？；：）》」』】…,.!?;:)\]}]/;

/** An upper bound of the width of one character in a common sans-serif font, in font sizes. */
function ems(character: string): number {
  if (WIDE.test(character)) return 1;
  if (/[ iljtfrI.,:;'!|()[\]-]/.test(character)) return 0.36;
  return /[mwMWA-Z@%—]/.test(character) ? 0.8 : 0.6;
}

const widthOf = (text: string): number => Array.from(text).reduce((sum, one) => sum + ems(one), 0);

export interface LaidText {
  readonly lines: readonly string[];
  /** Of the widest line, in the unit of the font size. */
  readonly width: number;
}

/** Lines of `text` that begins at `x` in letters of `size` (both in 1/10000 of the page's width). */
export function layText(text: string, x: number, size: number): LaidText {
  const room = Math.max(LEAST_EMS, (RIGHT - x) / Math.max(1, size));
  const lines: string[] = [];
  for (const paragraph of text.split("\n")) {
    let line = "";
    let used = 0;
    for (const piece of pieces(paragraph, room)) {
      const wide = widthOf(piece);
      if (line !== "" && used + widthOf(piece.replace(/ +$/, "")) > room) {
        lines.push(line.replace(/ +$/, ""));
        [line, used] = ["", 0];
      }
      line += piece;
      used += wide;
    }
    lines.push(line.replace(/ +$/, ""));
  }
  return { lines, width: Math.max(...lines.map(widthOf)) * size };
}

/** What must not be broken: words with the space after them, single wide characters, each with what closes it; a word longer
 * than any line is cut. */
function pieces(paragraph: string, room: number): string[] {
  const found: string[] = [];
  let word = "";
  const end = (): void => {
    if (word !== "") found.push(word);
    word = "";
  };
  for (const character of Array.from(paragraph)) {
    if (CLOSING.test(character) && word === "" && found.length > 0) {
      found.push((found.pop() ?? "") + character);
    } else if (WIDE.test(character) || widthOf(word + character) > room) {
      end();
      if (WIDE.test(character)) found.push(character);
      else word = character;
    } else {
      word += character;
      if (character === " ") end();
    }
  }
  end();
  return found;
}
