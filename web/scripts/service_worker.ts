/** Tells the service worker what it keeps: for each live page the scripts and sheets that it can come to load, read from the
 * bundle itself. Knows the pages' names and nothing of what they do. */

import { createHash } from "node:crypto";

/** The part of a bundle that is read here. */
interface Chunk {
  readonly type: "chunk";
  readonly fileName: string;
  readonly facadeModuleId: string | null;
  readonly imports: readonly string[];
  readonly dynamicImports: readonly string[];
  code: string;
  readonly viteMetadata?: { readonly importedCss?: Set<string>; readonly importedAssets?: Set<string> };
}
interface Asset {
  readonly type: "asset";
  readonly fileName: string;
  readonly source: string | Uint8Array;
}
type Bundle = Record<string, Chunk | Asset>;

/** The live pages: the replay needs the network anyway. */
const PAGES = { "/class/": "class.html", "/teach/": "teach.html" };

const WORKER = "sw.js";

/** A plugin for Vite; does nothing to a build without a service worker. */
export function serviceWorker(): { name: string; enforce: "post"; generateBundle: (options: unknown, bundle: object) => void } {
  return {
    name: "liveclass-service-worker",
    enforce: "post",
    generateBundle(_options, bundle) {
      fill(bundle as Bundle);
    },
  };
}

function fill(bundle: Bundle): void {
  const worker = bundle[WORKER];
  if (worker?.type !== "chunk") return;
  if (worker.imports.length > 0) throw new Error("the service worker must be one file, as old browsers load it");
  const shells = Object.entries(PAGES).map(([prefix, page]) => {
    const html = bundle[page];
    if (html?.type !== "asset") throw new Error(`${page} is not in the bundle`);
    const text = Buffer.from(html.source).toString("utf-8");
    const entries = Array.from(text.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g), (found) => found[1] ?? "");
    return { prefix, entries, assets: Array.from(reachable(bundle, entries)).sort(), text };
  });
  const build = createHash("sha256").update(JSON.stringify(shells)).digest("hex").slice(0, 12);
  const told = JSON.stringify(shells.map(({ prefix, entries, assets }) => ({ prefix, entries, assets })));
  worker.code = worker.code.replace("__SHELLS__", told).replace("__BUILD__", JSON.stringify(build));
  if (/__SHELLS__|__BUILD__/.test(worker.code)) throw new Error("the service worker was not told everything");
}

/** The paths that a page which loads `entries` can come to load. */
function reachable(bundle: Bundle, entries: readonly string[]): Set<string> {
  const seen = new Set<string>();
  const waiting = entries.map((path) => path.slice(1));
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (seen.has(`/${name}`)) continue;
    seen.add(`/${name}`);
    const one = bundle[name];
    if (one?.type !== "chunk") continue;
    waiting.push(...one.imports, ...one.dynamicImports);
    waiting.push(...(one.viteMetadata?.importedCss ?? []), ...(one.viteMetadata?.importedAssets ?? []));
  }
  return seen;
}
