/** Sheets of parts that are loaded later, on a network that fails: a sheet that did not come is asked for until it does,
 * while its part goes on without. (The build's own loader would take the dead link for the sheet, and never ask again.) */

const AGAIN_MS = 3_000;

addEventListener("vite:preloadError", (event) => {
  const problem = (event as Event & { readonly payload?: Error }).payload;
  const href = /^Unable to preload CSS for (\S+)/.exec(problem?.message ?? "")?.[1];
  if (href === undefined) return;
  event.preventDefault();
  document.querySelectorAll<HTMLLinkElement>("link[rel=stylesheet]").forEach((link) => link.href === href && link.remove());
  ask(href);
});

function ask(href: string): void {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.crossOrigin = "";
  link.onerror = () => {
    link.remove();
    setTimeout(() => ask(href), AGAIN_MS);
  };
  link.href = href;
  document.head.appendChild(link);
}
