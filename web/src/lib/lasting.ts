/** Notes that outlive a power cut. Browsers write localStorage down only about once a minute; these are on the disk when
 * `note` is through. A browser without a database, or one that forbids it (private windows), counts as empty. Knows
 * nothing of what is kept. */

const DATABASE = "liveclass";
const STORE = "notes";
/** A database that does not answer within this counts as empty. After a power cut an old computer, busy with starting,
 * checks its database first: that takes seconds, and what was missed depends on it. */
const PATIENCE_MS = 5_000;

let opening: Promise<IDBDatabase> | null = null;

function open(): Promise<IDBDatabase> {
  opening ??= new Promise((resolve, reject) => {
    const asked = indexedDB.open(DATABASE, 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore(STORE);
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error ?? new Error("no database"));
    asked.onblocked = () => reject(new Error("the database is blocked"));
  });
  // What went wrong once may go well the next time.
  opening.catch(() => (opening = null));
  return opening;
}

/** Keep `text` under `key`; returns when it is on the disk, or cannot be kept. */
export async function note(key: string, text: string): Promise<void> {
  try {
    // Strict: flushed, not just handed to the system, which would lose it with the power.
    const work = (await open()).transaction(STORE, "readwrite", { durability: "strict" });
    work.objectStore(STORE).put(text, key);
    await new Promise<void>((resolve) => {
      work.oncomplete = () => resolve();
      work.onabort = () => resolve();
    });
  } catch {
    // A browser that keeps nothing still teaches.
  }
}

/** The text that was kept, or null. */
export function noted(key: string): Promise<string | null> {
  const read = async (): Promise<string | null> => {
    const asked = (await open()).transaction(STORE, "readonly").objectStore(STORE).get(key);
    return new Promise((resolve) => {
      asked.onsuccess = () => resolve(typeof asked.result === "string" ? asked.result : null);
      asked.onerror = () => resolve(null);
    });
  };
  const late = new Promise<null>((resolve) => setTimeout(() => resolve(null), PATIENCE_MS));
  return Promise.race([read().catch(() => null), late]);
}
