/** What a page opens with, in as few files as a thin link wants: which modules share a file, and the order in which the page
 * asks for them. Knows names of files and nothing of what they do. */

interface Chunk {
  readonly type: "chunk" | "asset";
  readonly fileName: string;
  readonly name?: string | undefined;
  readonly imports?: readonly string[];
  readonly dynamicImports?: readonly string[];
}
type Bundle = Readonly<Record<string, Chunk>>;
interface Context {
  readonly bundle?: Bundle | undefined;
  readonly chunk?: Chunk | undefined;
}

/** All that asks for the first sound: it must need nothing else. */
const OPENING = /\/src\/lib\/(access|api|head-start|identity|offer|sdp|sdp-receive|seats|storage)\.ts$|preload-helper/;

/** What is loaded when it is first used. Several pages share it, and none may open with it. */
const BOARD = /\/(src\/board|perfect-freehand)\/.*\.(ts|tsx|js|mjs)$|\/src\/lang\/[^/]+\/board\.ts$|\/src\/lib\/(in|keep)-step\.ts$/;

/** Small, loaded with the chat. */
const PHRASES = /\/phrases\.ts$/;

/** Not the sheets: a door that names them must not wait for scripts. */
const script = (path: string): boolean => /\.(ts|tsx|js|mjs)$/.test(path) && !BOARD.test(path) && !PHRASES.test(path);

/** Files that several pages share. Each file more is a connection more at the start, and browsers open six. */
export const SHARED = [
  { name: "opening", test: OPENING, priority: 3 },
  // What every page has, the replay too.
  { name: "base", test: script, minShareCount: 3, priority: 2 },
  { name: "live", test: script, minShareCount: 2, priority: 1 },
  // After the others: a group takes along what its files import, unless that lies in another.
  { name: "board", test: BOARD, priority: 0 },
];

const PRELOAD = /^[ \t]*<link rel="modulepreload"[^>]*>\n/gm;
const SHEET = /^[ \t]*<link rel="stylesheet"[^>]*>\n/gm;
/** A page with a door (a small file that loads the rest) says `async`: the door must not wait for sheets. */
const DOOR = /^[ \t]*<script async type="module"[^>]*><\/script>\n/m;

/** Names a page's files in the order that serves it. */
export function openingOrder(): {
  name: string;
  transformIndexHtml: { order: "post"; handler: (html: string, context: Context) => string };
} {
  return {
    name: "liveclass-opening",
    transformIndexHtml: {
      order: "post",
      handler(html, { bundle, chunk }) {
        if (bundle === undefined || chunk === undefined) return html;
        return throughDoor(ownSheetLast(html, chunk), bundle, chunk);
      },
    },
  };
}

/** Of two rules of equal weight the later one holds: what a page says of its own must come after what all share. */
function ownSheetLast(html: string, chunk: Chunk): string {
  const sheets = html.match(SHEET) ?? [];
  const own = sheets.filter((line) => line.indexOf(`/${chunk.name ?? ""}-`) >= 0);
  const ordered = sheets.filter((line) => own.indexOf(line) < 0).concat(own);
  return html.replace(SHEET, () => ordered.shift() ?? "");
}

/** The rest behind the door is named by the page, else the browser would hear of it only when the door has run. */
function throughDoor(html: string, bundle: Bundle, chunk: Chunk): string {
  const script = DOOR.exec(html)?.[0];
  if (script === undefined) return html;
  const first = reached(bundle, [chunk.fileName]);
  const rest = reached(bundle, chunk.dynamicImports ?? []).filter((name) => first.indexOf(name) < 0);
  const line = (name: string): string => `    <link rel="modulepreload" crossorigin href="/${name}">\n`;
  // The connection that brought the page is warm: the door's own modules come over it, before the door itself.
  const ahead = first.filter((name) => name !== chunk.fileName).map(line);
  return html.replace(PRELOAD, "").replace(DOOR, () => ahead.join("") + script + rest.map(line).join(""));
}

/** The files that `names` import, they included. */
function reached(bundle: Bundle, names: readonly string[]): string[] {
  const seen: string[] = [];
  const waiting = names.slice();
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    if (seen.indexOf(name) >= 0) continue;
    seen.push(name);
    waiting.push(...(bundle[name]?.imports ?? []));
  }
  return seen;
}
