/** What the service worker keeps and how it answers, without any worker: pure decisions on addresses and names of caches. */

import { isMaterial, MATERIALS_CACHE } from "./kept";

/** A page that is the same for every lesson, and what it needs to open: paths on this server. */
export interface Shell {
  /** The start of the addresses that show it, such as `/class/`. */
  readonly prefix: string;
  /** The paths in the page's own text: a page that lacks one is of another build. */
  readonly entries: readonly string[];
  /** Every script and sheet that it can come to load. */
  readonly assets: readonly string[];
}

export const CACHE_PREFIX = "liveclass-";

/** The one address under which a shell is kept. The address of a lesson is never a key: it names the lesson, and a page's
 *  own address has the link's token behind its `#`. */
export function shellKey(shell: Shell): string {
  return `${shell.prefix}shell`;
}

export type Answer =
  | { readonly kind: "network" }
  | { readonly kind: "asset"; readonly key: string }
  | { readonly kind: "shell"; readonly shell: Shell }
  | { readonly kind: "material"; readonly key: string };

const NETWORK: Answer = { kind: "network" };

/**
 * How a request is answered: pages, their assets and what is kept of slides, songs and films from the cache, all else by the
 * network without being touched.
 *
 * @param url of the request
 * @param origin of this server
 * @param navigation a page is being opened
 */
export function answerTo(
  method: string,
  url: string,
  origin: string,
  navigation: boolean,
  shells: readonly Shell[],
): Answer {
  if (method !== "GET") return NETWORK;
  const address = new URL(url);
  if (address.origin !== origin) return NETWORK;
  const path = address.pathname;
  if (navigation) {
    const shell = shells.find(({ prefix }) => path.indexOf(prefix) === 0 && isLesson(path.slice(prefix.length)));
    return shell === undefined ? NETWORK : { kind: "shell", shell };
  }
  if (isMaterial(path)) return { kind: "material", key: path };
  const known = shells.some(({ assets }) => assets.indexOf(path) >= 0);
  // Assets of the build before are still asked for by pages that were open when this one came.
  return known || path.indexOf("/assets/") === 0 ? { kind: "asset", key: path } : NETWORK;
}

/** One segment: no page of a lesson lies deeper. */
function isLesson(rest: string): boolean {
  return rest !== "" && rest.indexOf("/") < 0;
}

/** Which caches to throw away, of `names` in the order they were made: all but this build's and the one before it, which
 *  open pages may still need. Caches of others are left alone. */
export function outdated(names: readonly string[], current: string): readonly string[] {
  const ours = names.filter((name) => name.indexOf(CACHE_PREFIX) === 0 && name !== current && name !== MATERIALS_CACHE);
  return ours.slice(0, -1);
}
