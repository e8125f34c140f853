/** Who this page is: 128 random bits per lesson and role, made once and kept, so that a page that comes back after a power
 * cut is the same participant. */

import { recall, remember } from "./storage";

/** The kept identity, or a new one; 32 hex digits. */
export function identity(lesson: string, role: string): string {
  const key = `identity.${role}.${lesson}`;
  const kept = recall(key);
  if (kept !== null && /^[0-9a-f]{32}$/.test(kept)) return kept;
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const made = Array.from(bytes, (byte) => (byte < 16 ? "0" : "") + byte.toString(16)).join("");
  remember(key, made);
  return made;
}
