/** Brings the replay's book as a chunk of its own, however long the network takes. */

import { useEffect, useState } from "preact/hooks";
import type { PageLink } from "../lib/api";
import type { Controller } from "./controller";

type Ui = typeof import("./book/index");

/** The book that is open, and what shows it. */
export interface OpenBook {
  readonly ui: Ui;
  readonly book: InstanceType<Ui["Book"]>;
  readonly sounding: InstanceType<Ui["Sounding"]>;
}

const AGAIN_AFTER_MS = 3_000;

/** Null until it is there. */
export function useBook(controller: Controller, link: PageLink): OpenBook | null {
  const [open, setOpen] = useState<OpenBook | null>(null);
  useEffect(() => {
    let made: OpenBook | null = null;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let closed = false;
    const load = (): void => {
      import("./book/index").then(
        (ui) => {
          if (closed) return;
          const book = new ui.Book(controller, link);
          made = { ui, book, sounding: new ui.Sounding(book) };
          setOpen(made);
        },
        () => {
          if (!closed) timer = setTimeout(load, AGAIN_AFTER_MS);
        },
      );
    };
    load();
    return () => {
      closed = true;
      clearTimeout(timer);
      made?.sounding.close();
      made?.book.close();
      setOpen(null);
    };
  }, [controller, link]);
  return open;
}
