/** Slides, songs and films as the service worker answers them: which paths they have, and parts of them. Shares no module with
 * the pages, as the worker must be one file. */

export const MATERIALS_CACHE = "liveclass-materials";

const PATH = /^\/material\/[A-Za-z0-9_-]{1,64}\/[0-9a-f]{64}\.[a-z0-9]{3,4}$/;

export function isMaterial(path: string): boolean {
  return PATH.test(path);
}

/** The bytes that a `Range` header asks for of `size`, both ends included; null: all of them, or none that make sense. */
export function rangeOf(header: string | null, size: number): readonly [from: number, to: number] | null {
  const [, from = "", to = ""] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? [];
  if (from === "" && to === "") return null;
  const begin = from === "" ? Math.max(0, size - Number(to)) : Number(from);
  const end = from === "" || to === "" ? size - 1 : Math.min(size - 1, Number(to));
  return begin <= end ? [begin, end] : null;
}
