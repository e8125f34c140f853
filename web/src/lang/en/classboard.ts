import type { Translated } from "../../lib/i18n";
import type chinese from "../zh-CN/classboard";

export default {
  "classboard.page": "Slide {page}",
  "classboard.blank": "Blank board",
  "classboard.film": "Film",
  "classboard.page.coming": "This page is on its way",
  "classboard.media.coming": "Getting ready to play, it joins in when it is here",
} as const satisfies Translated<typeof chinese>;
