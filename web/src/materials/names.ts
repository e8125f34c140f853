/** How the files of lessons are named, in the cache and on the server. The service worker must be one file, so it has the same
 * rule once more (`sw/kept.ts`); a test holds them together. */

export const MATERIALS_CACHE = "liveclass-materials";

const PATH = /^\/material\/([A-Za-z0-9_-]{1,64})\/([0-9a-f]{64})\.([a-z0-9]{3,4})$/;

export interface MaterialName {
  readonly lesson: string;
  readonly sha: string;
  readonly ext: string;
}

export function materialPath(lesson: string, sha: string, ext: string): string {
  return `/material/${lesson}/${sha}.${ext}`;
}

/** What a path names; null: no material. */
export function nameIn(path: string): MaterialName | null {
  const [, lesson, sha, ext] = PATH.exec(path) ?? [];
  return lesson === undefined || sha === undefined || ext === undefined ? null : { lesson, sha, ext };
}
