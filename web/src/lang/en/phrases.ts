import type { Translated } from "../../lib/i18n";
import type chinese from "../zh-CN/phrases";

export default {
  // What the volunteer says
  "phrase.ready_ask": "Are you ready?",
  "phrase.wait": "One moment, please",
  "phrase.louder": "Please let the pupils speak louder",
  "phrase.quieter": "Please ask for quiet",
  "phrase.closer": "Please go closer to the microphone",
  "phrase.turn_camera": "Please turn the camera to the pupils",
  "phrase.go_on": "We go on now",
  "phrase.thanks": "Thank you",
  // What a classroom says
  "phrase.ready": "We are ready",
  "phrase.more_time": "A little more time, please",
  "phrase.finished": "We have finished",
  "phrase.too_small": "The writing is too small",
  "phrase.too_hard": "The pupils cannot follow",
} satisfies Translated<typeof chinese>;
