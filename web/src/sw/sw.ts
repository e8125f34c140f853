/** The service worker: opens the live pages from the cache, so that the next visit needs no network to show itself.
 *
 * A shell is kept once its page has been open (`keep`), and by every later build of it, whole or not at all. A new build
 * takes over as soon as it is whole: pages that are open go on with what they have, the next visit gets the new one. Slides,
 * songs and films that a page has put into its cache are answered from there. Nothing else is touched: no API, no signalling,
 * no live media, and no address of a lesson's page is ever stored.
 */

import { MATERIALS_CACHE, rangeOf } from "./kept";
import { answerTo, CACHE_PREFIX, outdated, type Shell, shellKey } from "./shells";

/** The part of the service worker's world that is used here; the library of types has it only for workers. */
interface Extendable extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface Fetching extends Extendable {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}
interface Telling extends Extendable {
  readonly data: unknown;
}
interface Worker {
  readonly location: Location;
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(type: "install" | "activate", hear: (event: Extendable) => void): void;
  addEventListener(type: "fetch", hear: (event: Fetching) => void): void;
  addEventListener(type: "message", hear: (event: Telling) => void): void;
}

/** Put in by the build (`web/scripts/service_worker.ts`). */
declare const __SHELLS__: readonly Shell[];
declare const __BUILD__: string;

const worker = self as unknown as Worker;
const shells = __SHELLS__;
const current = `${CACHE_PREFIX}${__BUILD__}`;

worker.addEventListener("install", (event) => event.waitUntil(install()));
worker.addEventListener("activate", (event) => event.waitUntil(activate()));
worker.addEventListener("message", (event) => {
  const shell = shells.find(({ prefix }) => prefix === (event.data as { keep?: unknown } | null)?.keep);
  // Offline, or between two builds: the next visit asks again.
  if (shell !== undefined) event.waitUntil(keep(shell).catch(() => undefined));
});
worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const answer = answerTo(request.method, request.url, worker.location.origin, request.mode === "navigate", shells);
  if (answer.kind === "asset") event.respondWith(kept(answer.key, () => fetch(request)));
  if (answer.kind === "material") event.respondWith(material(answer.key, request));
  if (answer.kind === "shell") event.respondWith(kept(shellKey(answer.shell), () => fetch(request)));
});

/** Have what an earlier build had: a classroom that opened without the network yesterday must do so tomorrow. */
async function install(): Promise<void> {
  for (const shell of shells) {
    if ((await find(shellKey(shell))) !== undefined) await keep(shell);
  }
  await worker.skipWaiting();
}

async function activate(): Promise<void> {
  await Promise.all(outdated(await caches.keys(), current).map((name) => caches.delete(name)));
  await worker.clients.claim();
}

/** Keep a shell and all it needs; the shell last, so that it stands for the whole. */
async function keep(shell: Shell): Promise<void> {
  const cache = await caches.open(current);
  const key = shellKey(shell);
  if ((await cache.match(key, EXACT)) !== undefined) return;
  for (const path of shell.assets) {
    if ((await cache.match(path, EXACT)) !== undefined) continue;
    // The names hold hashes: what an earlier build has under the same name is the same.
    await cache.put(path, (await find(path)) ?? (await fetched(path, "default")));
  }
  const page = await fetched(key, "no-cache");
  const text = await page.clone().text();
  if (shell.entries.some((path) => text.indexOf(path) < 0)) throw new Error("the page is of another build");
  await cache.put(key, page);
}

const EXACT: CacheQueryOptions = { ignoreVary: true };

/** From this build's cache, else from the one before it. */
async function find(key: string): Promise<Response | undefined> {
  const own = await (await caches.open(current)).match(key, EXACT);
  if (own !== undefined) return own;
  for (const name of (await caches.keys()).reverse()) {
    if (name.indexOf(CACHE_PREFIX) !== 0 || name === MATERIALS_CACHE) continue;
    const other = await (await caches.open(name)).match(key, EXACT);
    if (other !== undefined) return other;
  }
  return undefined;
}

/** What is kept, else the network's answer. A browser that lost its cache must not lose the page. */
async function kept(key: string, otherwise: () => Promise<Response>): Promise<Response> {
  const found = await find(key).catch(() => undefined);
  return found ?? otherwise();
}

/** A file that a page has fetched and verified, or a part of it, as players of sound and film ask; else the network's answer. */
async function material(key: string, request: Request): Promise<Response> {
  try {
    const found = await (await caches.open(MATERIALS_CACHE)).match(key, EXACT);
    if (found === undefined) return await fetch(request);
    const header = request.headers.get("Range");
    const file = header === null ? null : await found.blob();
    const range = file === null ? null : rangeOf(header, file.size);
    if (file === null || range === null) return header === null ? found : await fetch(request);
    const [from, to] = range;
    const headers = { "Content-Type": file.type, "Content-Length": `${to - from + 1}`, "Content-Range": `bytes ${from}-${to}/${file.size}` };
    return new Response(file.slice(from, to + 1, file.type), { status: 206, headers });
  } catch {
    return fetch(request);
  }
}

async function fetched(path: string, cache: RequestCache): Promise<Response> {
  const response = await fetch(path, { cache, credentials: "omit" });
  if (!response.ok || response.redirected) throw new Error(`${path} was answered with ${response.status}`);
  return response;
}
