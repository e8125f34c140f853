/** Which key does what on the replay page. Pure. */

export type Action =
  | { readonly do: "toggle" | "mute" | "fullscreen" | "faster" | "slower" | "start" | "end" }
  | { readonly do: "skip"; readonly by_s: number }
  | { readonly do: "tenth"; readonly tenth: number };

export interface Key {
  readonly key: string;
  readonly ctrl: boolean;
  readonly alt: boolean;
  readonly meta: boolean;
  /** What has the focus: the name of its element, or its role where it has one. */
  readonly on: string;
}

/** What a press means, or null when it is not ours: browsers' own shortcuts, and keys that the focused control takes. */
export function actionOf(press: Key): Action | null {
  if (press.ctrl || press.alt || press.meta) return null;
  if (press.on === "select" || press.on === "input" || press.on === "textarea") return null;
  const key = press.key.length === 1 ? press.key.toLowerCase() : press.key;
  // Tabs are walked by the arrows.
  if (press.on === "tab" && /^(Arrow|Home$|End$)/.test(key)) return null;
  const pressesFocused = press.on === "tab" || press.on === "button" || press.on === "a" || press.on === "summary";
  switch (key) {
    case " ":
      return pressesFocused ? null : { do: "toggle" };
    case "k":
      return { do: "toggle" };
    case "ArrowLeft":
      return { do: "skip", by_s: -5 };
    case "ArrowRight":
      return { do: "skip", by_s: 5 };
    case "j":
      return { do: "skip", by_s: -10 };
    case "l":
      return { do: "skip", by_s: 10 };
    case "Home":
      return { do: "start" };
    case "End":
      return { do: "end" };
    case "f":
      return { do: "fullscreen" };
    case "m":
      return { do: "mute" };
    case ">":
    case ".":
      return { do: "faster" };
    case "<":
    case ",":
      return { do: "slower" };
    default:
      return /^[0-9]$/.test(key) ? { do: "tenth", tenth: Number(key) } : null;
  }
}
