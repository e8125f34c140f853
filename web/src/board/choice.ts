/** What a hand can choose: tools, colours, widths, and the keys for them. Knows no page and no event. */

import type { Held, Tool } from "./pen";

export const TOOLS: readonly Tool[] = ["pen", "highlighter", "eraser", "line", "rectangle", "ellipse", "text", "laser"];
/** For a classroom that may draw: what children need, and nothing that takes the board away from them. */
export const FEW_TOOLS: readonly Tool[] = ["pen", "highlighter", "eraser", "line", "text"];

/** After Okabe and Ito: colour-blind eyes tell them apart, by brightness where not by hue. */
export const COLORS = [
  { name: "black", value: "#1e2a2f" },
  { name: "blue", value: "#0072b2" },
  { name: "red", value: "#d5400c" },
  { name: "green", value: "#009e73" },
  { name: "yellow", value: "#f0b400" },
  { name: "pink", value: "#cc79a7" },
] as const;

export type Size = 0 | 1 | 2;
export const SIZES = [
  { size: 0, name: "thin" },
  { size: 1, name: "medium" },
  { size: 2, name: "thick" },
] as const;

/** In 1/10000 of the page's width: letters of 300 are 38 pixels on a projector of 1280. */
const WIDTHS: Readonly<Record<Tool, readonly [number, number, number]>> = {
  pen: [25, 45, 90],
  line: [25, 45, 90],
  rectangle: [25, 45, 90],
  ellipse: [25, 45, 90],
  highlighter: [150, 250, 400],
  eraser: [150, 300, 600],
  text: [300, 450, 700],
  laser: [0, 0, 0],
};

export interface Choice {
  readonly tool: Tool;
  readonly color: string;
  /** The highlighter keeps a colour of its own: nobody wants to write in yellow. */
  readonly marker: string;
  readonly size: Size;
}

export const FIRST_CHOICE: Choice = { tool: "pen", color: COLORS[0].value, marker: COLORS[4].value, size: 1 };

export function heldOf({ tool, color, marker, size }: Choice): Held {
  return { tool, color: tool === "highlighter" ? marker : color, width: WIDTHS[tool][size] };
}

/** True for tools that leave colour on the page. */
export function hasColor(tool: Tool): boolean {
  return tool !== "eraser" && tool !== "laser";
}

export function colorOf(choice: Choice): string {
  return choice.tool === "highlighter" ? choice.marker : choice.color;
}

/** The choice after a colour was pressed: for the tool in hand, and for the pen when that has none. */
export function withColor(choice: Choice, color: string): Choice {
  if (choice.tool === "highlighter") return { ...choice, marker: color };
  return { ...choice, color, tool: hasColor(choice.tool) ? choice.tool : "pen" };
}

const KEYS: Readonly<Record<string, Tool>> = {
  p: "pen",
  h: "highlighter",
  e: "eraser",
  s: "line",
  r: "rectangle",
  o: "ellipse",
  t: "text",
  l: "laser",
};

export function keyOf(tool: Tool): string {
  return Object.keys(KEYS).find((key) => KEYS[key] === tool) ?? "";
}

export type KeyCommand = Tool | "undo" | "redo" | "next" | "previous";

/** What a key asks for, or null. Presenter remotes send PageUp and PageDown. */
export function commandOf(event: Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">): KeyCommand | null {
  if (event.altKey) return null;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey) {
    if (key === "z") return event.shiftKey ? "redo" : "undo";
    return key === "y" ? "redo" : null;
  }
  if (key === "ArrowRight" || key === "PageDown") return "next";
  if (key === "ArrowLeft" || key === "PageUp") return "previous";
  return KEYS[key] ?? null;
}
