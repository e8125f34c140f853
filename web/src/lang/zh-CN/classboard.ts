/** Slides, blank board, songs and films on the classroom's page. */
export default {
  // What a picture is called for who cannot see it.
  "classboard.page": "课件第 {page} 页",
  "classboard.blank": "白板",
  "classboard.film": "影片",
  // One quiet line at the top of the stage, while the page before is still shown.
  "classboard.page.coming": "这一页马上就到",
  // The song or film has been started and is not on this computer yet.
  "classboard.media.coming": "正在准备播放，到了就接上",
} as const;
