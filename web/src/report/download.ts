/** Saves an answer of the API as a file: asked for with the token as bearer, so that no address ever holds it. */

import { request } from "../lib/api";

/** How long a browser may take to begin to save; the bytes are freed after it. */
const SAVING_MS = 60_000;

/** Throws `ApiError` when there is no answer or a refusal. */
export async function download(url: string, token: string, name: string): Promise<void> {
  const blob = await (await request(url, token)).blob();
  const address = URL.createObjectURL(blob);
  const anchor = document.createElement("a");
  anchor.href = address;
  anchor.download = name;
  document.body.appendChild(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(address), SAVING_MS);
}
