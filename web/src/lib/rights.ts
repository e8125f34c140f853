/** What of the table of rights (`lesson/rights.py`) a volunteer's page must know, so that it offers nothing that the server
 * refuses. Pure. */

import type { LessonView } from "./lesson-view";

/** True when this page may do what the lead may: it leads, or the lead is not here. */
export function leads(view: LessonView | null): boolean {
  if (view === null) return false;
  // A server of the build before does not say who leads, and refuses what may not be.
  const lead = (view.lesson.lead as string | undefined) ?? "";
  if (lead === "" || lead === view.you) return true;
  const other = view.participants.find((one) => one.id === lead);
  return other === undefined || !other.online;
}
