/** Icons drawn inline: 24x24, line 2, the colour of the text beside them. Always with a word: the icon itself is hidden
 * from screen readers. */

import type { JSX } from "preact";

const PATHS = {
  microphone: "M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3zM5 11a7 7 0 0 0 14 0M12 18v3M8.5 21h7",
  "microphone-off":
    "M9 9v2a3 3 0 0 0 4.6 2.5M15 10V6a3 3 0 0 0-5.8-1.1M5 11a7 7 0 0 0 11 5.7M18.6 13.5A7 7 0 0 0 19 11M12 18v3M8.5 21h7M4 3l16 18",
  camera: "M3 7.5A1.5 1.5 0 0 1 4.5 6h9A1.5 1.5 0 0 1 15 7.5v9a1.5 1.5 0 0 1-1.5 1.5h-9A1.5 1.5 0 0 1 3 16.5zM15 11l6-3.5v9L15 13",
  "camera-off": "M9 6h4.5A1.5 1.5 0 0 1 15 7.5V11l6-3.5v9l-2-1.2M15 15v1.5a1.5 1.5 0 0 1-1.5 1.5h-9A1.5 1.5 0 0 1 3 16.5v-9A1.5 1.5 0 0 1 4.5 6M4 3l16 18",
  screen: "M3 5.5A1.5 1.5 0 0 1 4.5 4h15A1.5 1.5 0 0 1 21 5.5v9a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 14.5zM8 20h8M12 16v4M12 12.5v-5M9.5 9.5L12 7l2.5 2.5",
  call: "M6.5 3h3l1.5 4.5-2 1.5a12 12 0 0 0 6 6l1.5-2 4.5 1.5v3a2 2 0 0 1-2.2 2A17.5 17.5 0 0 1 4.5 5.2 2 2 0 0 1 6.5 3z",
  "end-call": "M3 14.5c0-5 18-5 18 0v1.5a1 1 0 0 1-1.2 1l-3.6-.7a1 1 0 0 1-.8-1V13a14 14 0 0 0-6.8 0v2.3a1 1 0 0 1-.8 1L4.2 17a1 1 0 0 1-1.2-1z",
  stop: "M7 5.5h10A1.5 1.5 0 0 1 18.5 7v10a1.5 1.5 0 0 1-1.5 1.5H7A1.5 1.5 0 0 1 5.5 17V7A1.5 1.5 0 0 1 7 5.5z",
  sound: "M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM15.5 9a4 4 0 0 1 0 6M18 6.5a7.8 7.8 0 0 1 0 11",
  "sound-off": "M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM16 9.5l5 5M21 9.5l-5 5",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  language: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM3 12h18M12 3c-5.3 5.5-5.3 12.5 0 18M12 3c5.3 5.5 5.3 12.5 0 18",
  good: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM8 12.3l2.8 2.7L16 9.5",
  weak: "M12 4L2.8 20h18.4zM12 10v4.5M12 17.2h.01",
  lost: "M8.3 3h7.4L21 8.3v7.4L15.7 21H8.3L3 15.7V8.3zM9 9l6 6M15 9l-6 6",
  wait: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7.5V12l3 2",
  note: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 11v5M12 8h.01",
  copy: "M9 8.5h9.5A1.5 1.5 0 0 1 20 10v9.5a1.5 1.5 0 0 1-1.5 1.5H9a1.5 1.5 0 0 1-1.5-1.5V10A1.5 1.5 0 0 1 9 8.5zM16 5.5V5a2 2 0 0 0-2-2H6a2 2 0 0 0-2 2v10a2 2 0 0 0 1.5 2",
  save: "M12 4v11M7.5 10.5L12 15l4.5-4.5M4.5 19.5h15",
  print: "M7 8V4h10v4M7 17H4.5A1.5 1.5 0 0 1 3 15.5v-6A1.5 1.5 0 0 1 4.5 8h15A1.5 1.5 0 0 1 21 9.5v6a1.5 1.5 0 0 1-1.5 1.5H17M7 14h10v6H7z",
  close: "M6 6l12 12M18 6L6 18",
  help: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM9.3 9.5a2.7 2.7 0 1 1 4 2.4c-.8.5-1.3 1-1.3 2M12 17h.01",
  retry: "M20 12a8 8 0 1 1-2.5-5.8M20 4v4.5h-4.5",
  leave: "M10 4H5.5A1.5 1.5 0 0 0 4 5.5v13A1.5 1.5 0 0 0 5.5 20H10M15 8l4 4-4 4M19 12H9",
  pencil: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  people: "M9 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM3 19c0-6.5 12-6.5 12 0M16 5.5a3 3 0 0 1 0 5.5M17.5 14c2.3.7 3.5 2.3 3.5 5",
  play: "M7 4.5v15l12.5-7.5z",
  pause: "M8 5v14M16 5v14",
  fullscreen: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  "fullscreen-exit": "M9 4v5H4M15 4v5h5M9 20v-5H4M15 20v-5h5",
  speed: "M4.5 17a8.5 8.5 0 1 1 15 0M12 14l4-5",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4",
  hand: "M8 12V5.5a1.5 1.5 0 0 1 3 0V11M11 10.5V4a1.5 1.5 0 0 1 3 0v6.5M14 10.5V5.5a1.5 1.5 0 0 1 3 0V14a7 7 0 0 1-7 7c-3 0-4.3-1.6-5.6-4L3 14.2a1.5 1.5 0 0 1 2.6-1.5L8 15.5V9",
  chart: "M4 20h16M6.5 16.5v-5M12 16.5v-11M17.5 16.5v-8",
  chat: "M5.5 4.5h13A1.5 1.5 0 0 1 20 6v9a1.5 1.5 0 0 1-1.5 1.5H12L7 20.5v-4H5.5A1.5 1.5 0 0 1 4 15V6a1.5 1.5 0 0 1 1.5-1.5zM8 9h8M8 12.5h5",
  chance: "M5.5 4h13A1.5 1.5 0 0 1 20 5.5v13a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 4 18.5v-13A1.5 1.5 0 0 1 5.5 4zM8.5 8.5h.01M15.5 8.5h.01M12 12h.01M8.5 15.5h.01M15.5 15.5h.01",
  check: "M5 12.5l4.5 4.5L19 7.5",
  back: "M15 5l-7 7 7 7",
  next: "M9 5l7 7-7 7",
  slides: "M4 4h16v12H4zM12 16v4M8 20h8",
  bookmark: "M7 4h10v16l-5-4-5 4z",
  add: "M12 5v14M5 12h14",
  fold: "M6 15l6-6 6 6",
  unfold: "M6 9l6 6 6-6",
  record: "M12 5a7 7 0 1 0 0 14 7 7 0 0 0 0-14z",
} as const;

export type IconName = keyof typeof PATHS;

const SOLID: readonly IconName[] = ["record", "play", "stop"];

/** One icon, `1.5em` wide unless the sheet says otherwise. */
export function Icon({ name, class: extra }: { name: IconName; class?: string | undefined }): JSX.Element {
  const solid = SOLID.indexOf(name) >= 0;
  return (
    <svg class={extra === undefined ? "icon" : `icon ${extra}`} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path
        d={PATHS[name]}
        fill={solid ? "currentColor" : "none"}
        stroke="currentColor"
        stroke-width={name === "more" ? 3.5 : 2}
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}
