import type { Translated } from "../../lib/i18n";
import type chinese from "../zh-CN/home";

export default {
  "home.title": "liveclass",
  "home.text": "A lesson that works on a weak network. Please open the link that you were given.",
  "home.links":
    "There are three kinds of link: one to teach, one for the classroom, one for the replay. If you have none, ask the school or the programme office.",
} satisfies Translated<typeof chinese>;
