/** 聊天里的常用语：发出去的是代码，每个人看到的是自己的语言。 */

export default {
  // 志愿者说的
  "phrase.ready_ask": "准备好了吗？",
  "phrase.wait": "请稍等",
  "phrase.louder": "请让同学们大声一点",
  "phrase.quieter": "请让同学们安静一下",
  "phrase.closer": "请离麦克风近一点",
  "phrase.turn_camera": "请把摄像头对着同学们",
  "phrase.go_on": "我们接着上课",
  "phrase.thanks": "谢谢",
  // 教室说的
  "phrase.ready": "我们准备好了",
  "phrase.more_time": "请再给一点时间",
  "phrase.finished": "我们做完了",
  "phrase.too_small": "字太小，看不清",
  "phrase.too_hard": "同学们没听懂",
} as const;
