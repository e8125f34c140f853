/** What a page remembers in this browser. Storage that is full or forbidden (private windows, policies) counts as empty:
 * the page works on without it. Knows nothing of what is kept. */

const PREFIX = "liveclass.";

/** The stored text, or null. */
export function recall(key: string): string | null {
  try {
    return localStorage.getItem(PREFIX + key);
  } catch {
    return null;
  }
}

/** Keep `value` under `key`; an empty value forgets it. */
export function remember(key: string, value: string): void {
  try {
    if (value === "") localStorage.removeItem(PREFIX + key);
    else localStorage.setItem(PREFIX + key, value);
  } catch {
    // A browser that keeps nothing still teaches.
  }
}
