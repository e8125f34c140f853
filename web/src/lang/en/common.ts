/** English, as plain as the Chinese. Where each text stands is said there. */

import type { Translated } from "../../lib/i18n";
import type chinese from "../zh-CN/common";

export default {
  "language.name": "English",
  language: "Language",
  "error.link.title": "This link is not valid any more",
  "error.link.text": "Ask the school or the programme office for the new one.",
  "lesson.untitled": "Untitled lesson",
  stage: "Stage",
  volume: "Volume",
} satisfies Translated<typeof chinese>;
