/** A sentence for what the server, or the making of a file, said. */

import { hasText, t } from "../../lib/i18n";

export function problemText(code: string): string {
  const key = `mat.problem.${code}`;
  return t(hasText(key) ? key : "mat.problem.other");
}
