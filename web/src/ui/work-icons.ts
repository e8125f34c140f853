/** Icons that no classroom needs, so that its page does not carry them. Importing this file makes them drawable. */

import { addIcons } from "./Icon";

export const WORK = {
  "camera-off": "M9 6h4.5A1.5 1.5 0 0 1 15 7.5V11l6-3.5v9l-2-1.2M15 15v1.5a1.5 1.5 0 0 1-1.5 1.5h-9A1.5 1.5 0 0 1 3 16.5v-9A1.5 1.5 0 0 1 4.5 6M4 3l16 18",
  call: "M6.5 3h3l1.5 4.5-2 1.5a12 12 0 0 0 6 6l1.5-2 4.5 1.5v3a2 2 0 0 1-2.2 2A17.5 17.5 0 0 1 4.5 5.2 2 2 0 0 1 6.5 3z",
  copy: "M9 8.5h9.5A1.5 1.5 0 0 1 20 10v9.5a1.5 1.5 0 0 1-1.5 1.5H9a1.5 1.5 0 0 1-1.5-1.5V10A1.5 1.5 0 0 1 9 8.5zM16 5.5V5a2 2 0 0 0-2-2H6a2 2 0 0 0-2 2v10a2 2 0 0 0 1.5 2",
  save: "M12 4v11M7.5 10.5L12 15l4.5-4.5M4.5 19.5h15",
  print: "M7 8V4h10v4M7 17H4.5A1.5 1.5 0 0 1 3 15.5v-6A1.5 1.5 0 0 1 4.5 8h15A1.5 1.5 0 0 1 21 9.5v6a1.5 1.5 0 0 1-1.5 1.5H17M7 14h10v6H7z",
  retry: "M20 12a8 8 0 1 1-2.5-5.8M20 4v4.5h-4.5",
  pencil: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  people: "M9 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM3 19c0-6.5 12-6.5 12 0M16 5.5a3 3 0 0 1 0 5.5M17.5 14c2.3.7 3.5 2.3 3.5 5",
  play: "M7 4.5v15l12.5-7.5z",
  pause: "M8 5v14M16 5v14",
  speed: "M4.5 17a8.5 8.5 0 1 1 15 0M12 14l4-5",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4",
  chart: "M4 20h16M6.5 16.5v-5M12 16.5v-11M17.5 16.5v-8",
  chance: "M5.5 4h13A1.5 1.5 0 0 1 20 5.5v13a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 4 18.5v-13A1.5 1.5 0 0 1 5.5 4zM8.5 8.5h.01M15.5 8.5h.01M12 12h.01M8.5 15.5h.01M15.5 15.5h.01",
  slides: "M4 4h16v12H4zM12 16v4M8 20h8",
  bookmark: "M7 4h10v16l-5-4-5 4z",
  add: "M12 5v14M5 12h14",
  fold: "M6 15l6-6 6 6",
  unfold: "M6 9l6 6 6-6",
  record: "M12 5a7 7 0 1 0 0 14 7 7 0 0 0 0-14z",
} as const;

addIcons(WORK);
