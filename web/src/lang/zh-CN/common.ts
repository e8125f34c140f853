/** Chinese as a village teacher would say it; here: what the replay shares with the live pages, which every page carries.
 *
 * How languages are kept. Each is a folder here, named by its tag; dropping in a folder adds it to every page. Each file of it
 * is what one page says, so that no page carries the texts of another: `home`, `class`, `teach`, `replay`; `live` is what
 * class and teach share, and `common` what more than those share. Chinese is written first: its keys are the keys, and the
 * comment above each key says where the text stands. `{name}` is filled in; texts that count take `count`. */

export default {
  // The language's own name for itself.
  "language.name": "中文",
  // Label of the language switch (screen readers).
  language: "语言",
  // Instead of any page, when its link opens nothing: title, then one sentence with a way on.
  "error.link.title": "这个链接已失效",
  "error.link.text": "请向学校或项目办公室要一个新的链接。",
  // Placeholder title when the lesson has none.
  "lesson.untitled": "未命名的课",
  // Name of the place of the large picture (screen readers).
  stage: "主画面",
  // Beside the slider of the loudness.
  volume: "音量",
} as const;
