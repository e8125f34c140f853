/** Has this page kept for the next visit. Works where the page is secure and the browser can; elsewhere nothing happens. */

/** After the page has loaded, this long is left to the lesson: the first sound comes before the next visit. */
const AFTER_LOAD_MS = 5_000;

/**
 * Keep the page for the next visit, when the browser has nothing better to do.
 *
 * @param prefix of the page's addresses, such as `/class/`
 */
export function keepForNextVisit(prefix: "/class/" | "/teach/"): void {
  if (!("serviceWorker" in navigator)) return;
  const register = async (): Promise<void> => {
    try {
      await navigator.serviceWorker.register("/sw.js", { updateViaCache: "none" });
      const { active } = await navigator.serviceWorker.ready;
      active?.postMessage({ keep: prefix });
      // A new build has taken over while the page is open: it keeps the page too.
      navigator.serviceWorker.addEventListener("controllerchange", () => {
        navigator.serviceWorker.controller?.postMessage({ keep: prefix });
      });
    } catch {
      // Storage full or forbidden (private windows): the page opens from the network, as before.
    }
  };
  const later = (): void => void setTimeout(() => void register(), AFTER_LOAD_MS);
  if (document.readyState === "complete") later();
  else addEventListener("load", later, { once: true });
}

/** How long a new build may take to arrive before a page that needs it reloads all the same. */
const FRESH_WITHIN_MS = 10_000;

/** Have the newest build in place, where a worker keeps an older one: for a page that must reload for a newer server. */
export async function fetchNewBuild(): Promise<void> {
  const { serviceWorker } = navigator;
  if (serviceWorker?.controller == null) return;
  const taken = new Promise<void>((done) => {
    serviceWorker.addEventListener("controllerchange", () => done(), { once: true });
    setTimeout(done, FRESH_WITHIN_MS);
  });
  try {
    const registration = await serviceWorker.getRegistration();
    await registration?.update();
    if (registration?.installing == null && registration?.waiting == null) return;
  } catch {
    return;
  }
  await taken;
}
