/** Brings a pointer's events to the hand, and the hand's messages out when they are due. Knows the DOM, and nothing of what a
 * stroke is. */

import { PAGE_WIDTH, PRESSURE_UNKNOWN } from "./strokes";
import type { Contact, Hand, HandMessage } from "./pen";

export interface Hold {
  /** Send what is due: for what the hand did without a pointer. */
  pump(): void;
  release(): void;
}

/** Follow the pointers over `page` (an element as large as the page shown) until it is released. */
export function holdOver(page: HTMLElement, hand: Hand, send: (message: HandMessage) => void): Hold {
  let timer: ReturnType<typeof setTimeout> | null = null;

  const pump = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    const now = performance.now();
    hand.take(now).forEach(send);
    const due = hand.dueInMs(now);
    if (due !== null) timer = setTimeout(pump, due + 1);
  };

  const contact = (event: PointerEvent, box: DOMRect): Contact => {
    const scale = PAGE_WIDTH / Math.max(1, box.width);
    const kind = event.pointerType === "pen" || event.pointerType === "touch" ? event.pointerType : "mouse";
    return {
      pointer: event.pointerId,
      kind,
      x: (event.clientX - box.left) * scale,
      y: (event.clientY - box.top) * scale,
      // A stylus that reports none presses as a mouse does; 0 would draw nothing that is seen.
      pressure: kind === "pen" && event.pressure > 0 ? Math.max(1, event.pressure * 100) : PRESSURE_UNKNOWN,
      breadth: kind === "touch" ? Math.max(event.width, event.height) : 0,
    };
  };
  const at = (event: PointerEvent): Contact => contact(event, page.getBoundingClientRect());

  const down = (event: PointerEvent): void => {
    if (event.button !== 0 || inField(event)) return;
    still(event);
    if (document.activeElement instanceof HTMLTextAreaElement) document.activeElement.blur();
    try {
      page.setPointerCapture(event.pointerId);
    } catch {
      // A pointer that is gone already cannot be captured.
    }
    hand.down(at(event), performance.now());
    pump();
  };
  // A mouse must not select text, and what follows a touch must not take the focus from a field that it opened.
  const still = (event: Event): void => {
    if (!inField(event)) event.preventDefault();
  };
  const move = (event: PointerEvent): void => {
    const box = page.getBoundingClientRect();
    const since = typeof event.getCoalescedEvents === "function" ? event.getCoalescedEvents() : [];
    hand.move((since.length > 0 ? since : [event]).map((one) => contact(one, box)), performance.now());
    pump();
  };
  const up = (event: PointerEvent): void => {
    hand.up(at(event));
    pump();
  };
  const cancel = (event: PointerEvent): void => {
    hand.cancel(event.pointerId);
    pump();
  };
  const leave = (): void => {
    hand.leave();
    pump();
  };

  const listeners: readonly (readonly [string, EventListener])[] = [
    ["pointerdown", down as EventListener],
    ["pointermove", move as EventListener],
    ["pointerup", up as EventListener],
    ["pointercancel", cancel as EventListener],
    ["pointerleave", leave],
    ["mousedown", still],
  ];
  for (const [name, listener] of listeners) page.addEventListener(name, listener);
  return {
    pump,
    release() {
      for (const [name, listener] of listeners) page.removeEventListener(name, listener);
      hand.stop();
      if (timer !== null) clearTimeout(timer);
      // Nothing that was drawn may stay unsent: what waits goes out at once.
      for (let now = performance.now(); hand.dueInMs(now) !== null; now += 1_000) hand.take(now).forEach(send);
    },
  };
}

/** A field on the page takes its own presses. */
function inField(event: Event): boolean {
  return event.target instanceof HTMLTextAreaElement;
}
