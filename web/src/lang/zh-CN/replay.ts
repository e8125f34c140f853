/** What who watches the replay reads. */

export default {
  "title.replay": "课程回放",
  // Before there is anything to play: a title and a sentence each.
  "replay.loading": "正在打开回放",
  "replay.net.lost": "网络断了，正在自动重连，不用操作",
  "replay.waiting.title": "这节课还没有开始",
  "replay.waiting.text": "开课以后，这里会自动出现回放。页面开着就行。",
  "replay.preparing.title": "课刚刚开始",
  "replay.preparing.text": "正在录制，几秒钟后就能看。",
  "replay.unrecorded.title": "这节课没有录制",
  "replay.unrecorded.text": "课正在进行，请用教室链接听课。",
  "replay.nothing.title": "这节课没有回放",
  "replay.nothing.text": "这节课没有录下来，或者回放已经删除。",
  // Buttons over the stage: first press, going on where this viewer stopped, from the beginning, after the end.
  "replay.play": "播放",
  "replay.continue": "从 {time} 接着看",
  "replay.beginning": "从头看",
  "replay.again": "再看一遍",
  // At the lower edge of the stage; a clock may follow the second.
  "replay.waiting.data": "正在加载",
  "replay.net.lost.playing": "网络断了，正在自动重连",
  "replay.recording.stopped": "录制已停，课还在进行",
  // The bar below the stage: names, and hints with the key.
  "replay.controls": "播放控制",
  "replay.pause": "暂停",
  "replay.play.hint": "播放（空格键）",
  "replay.pause.hint": "暂停（空格键）",
  "replay.back": "后退 10 秒",
  "replay.forward": "前进 10 秒",
  "replay.seek": "播放进度",
  "replay.seek.value": "{time}，共 {end}",
  "replay.live": "正在直播",
  "replay.live.go": "看最新",
  "replay.mute": "静音",
  "replay.unmute": "打开声音",
  "replay.speed": "播放速度",
  "replay.speed.hint": "播放速度（按 < 或 > 改变）",
  "replay.speed.times": "{speed} 倍",
  // The button for who pays by the megabyte, its hint, and the stage while no slide is shown.
  "replay.light": "省流量",
  "replay.light.hint": "省流量播放：只有声音和课件，没有视频（40 分钟约 8 MB）",
  "replay.light.stage": "省流量播放：声音和课件",
  "replay.full": "全屏",
  "replay.full.exit": "退出全屏",
  // The list of moments, and one moment of each kind.
  "replay.moments": "本课内容",
  "replay.moment.part": "课中断过，{time} 继续",
  "replay.moment.screen": "{name}共享屏幕",
  "replay.moment.voice": "{name}一起讲课",
  "replay.moment.classroom": "{name}发言",
  // The notice: what was recorded, and for whom.
  "replay.notice": "录制内容：老师的声音、画面和共享的屏幕。只供学习，请不要转发。",
  "replay.notice.classrooms": "录制内容：老师和发言教室的声音、画面，以及共享的屏幕。只供学习，请不要转发。",
  "replay.recording.incomplete": "录制中途停过，课没有录全。",
} as const;
