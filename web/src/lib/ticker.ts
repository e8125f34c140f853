/** The time, once a second, for clocks on the page: milliseconds since 1970, and of the steady clock. */

import { signal } from "@preact/signals";

export const wallMs = signal(Date.now());
export const steadyMs = signal(performance.now());

setInterval(() => {
  wallMs.value = Date.now();
  steadyMs.value = performance.now();
}, 1000);
