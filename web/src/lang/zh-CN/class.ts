/** What a classroom reads. */

export default {
  "title.class": "教室",

  // ---- State of the connection (status line); a clock may follow ----
  "net.lost.class": "网络断了，正在自动重连",
  "net.media": "声音和画面正在恢复",

  // ---- Before entering ----
  "class.enter": "进入教室",
  "class.enter.text": "按一下打开声音。以后会自动接通，不用再按。",
  "class.enter.devices": "浏览器会问能否用麦克风和摄像头：点名发言时才会打开。",

  // ---- Waiting ----
  "class.waiting": "等待上课",
  "class.waiting.auto": "老师一开始，这里会自动播放。",
  "class.starts": "上课时间",
  "class.starts.in": "还有",

  // ---- In the lesson ----
  "class.stage": "上课画面",
  "class.voice.text": "现在只有声音",
  "class.teacher.away": "老师的网络断了，正在等老师回来",
  "class.called": "请发言：全班的声音老师都能听到",
  "class.called.muted": "老师把这里的麦克风静音了",
  "class.called.nodevice": "请发言。这台电脑没有能用的麦克风",
  "class.called.refused": "请发言。浏览器没有允许使用麦克风",
  "class.called.opening": "请准备发言，正在打开麦克风",
  "class.called.end": "结束发言",
  "class.self": "你们自己的画面",
  "class.recorded.no": "你们班不会被录下来",
  "class.recorded.yes": "你们班发言时会被录下来",
  // In their place where this server records nothing, so neither the teacher.
  "class.recorded.off": "这节课不录制",
  // Status line: what is wrong, in words.
  "class.weak.picture": "网络较弱，画面会卡，声音正常",
  "class.weak.nopicture": "网络较弱，画面已暂停，声音正常",
  "class.weak.sound": "网络较弱，声音断断续续",
  "class.weak.nothing": "网络很弱，正在恢复声音和画面",
  "class.soundoff": "浏览器关着声音，请按一下屏幕",
  // Three buttons on touch.
  "class.help": "听不到 / 看不到",
  "class.help.doing": "正在重新接通声音和画面",
  "class.more": "更多",
  "class.full": "全屏",
  "class.full.exit": "退出全屏",
  // The quiet menu.
  "menu.title": "更多",
  "menu.name": "教室名称",
  "menu.name.save": "保存",
  "menu.name.saved": "已保存",
  "menu.leave": "离开课堂",
  "menu.left": "已离开课堂",
  "menu.back": "回到课堂",

  // ---- After ----
  "class.ended": "下课了",
  "class.ended.thanks": "谢谢大家，下次见。",

  // ---- 教室：网络弱、补看、流量、检查 ----
  // 教室下方的一句话：线路现在能传什么。
  "class.rung.reduced": "网络较弱，画面变小了",
  "class.rung.screen": "网络较弱，只传屏幕和声音",
  "class.rung.sound": "网络较弱，先只听声音",
  "class.rung.thin": "网络很弱，只传声音，保证听得清",
  "class.rung.reconnecting": "正在恢复声音，不会落下内容",
  // 补看时的提示，旁边是“跳到直播”。
  "class.behind.seconds": { other: "正在补看，落后 {count} 秒" },
  "class.behind.minutes": { other: "正在补看，落后 {count} 分钟" },
  "class.behind.stay": "比直播晚几秒，声音更完整",
  "class.behind.lost": "网络断了，正在自动重连，不会落下内容",
  "class.behind.jump": "跳到直播",
  "class.behind.over": "已经下课，正在补看刚才落下的内容",
  "class.behind.stop": "不看了",
  "class.missed.replay": "刚才没听到的内容，可以看回放补上",
  "class.behind.picture": "补看的画面",
  "class.budget.near": "这节课的流量快用完了",
  "class.budget.spent": "这节课的流量用完了，后面只听声音",
  "class.saving.on": "只听声音，节省流量",
  // 菜单里的流量。
  "menu.data": "流量",
  "menu.data.used": "这节课已用 {mb} MB",
  "menu.data.budget": "每节课最多用",
  "menu.data.budget.none": "不限",
  "menu.data.budget.mb": "{mb} MB",
  "menu.data.saving": "只听声音，节省流量",
  // 上课前检查声音和网络。
  "check.open": "检查声音和网络",
  "check.title": "声音和网络",
  "check.hear": "请听铃声",
  "check.hear.ask": "听到铃声了吗？",
  "check.hear.yes": "听到了",
  "check.hear.no": "没听到",
  "check.hear.again": "再响一次",
  "check.speak": "请说句话",
  "check.line": "正在检查网络",
  "check.line.good": "网络良好：声音和画面都没问题。",
  "check.line.fair": "网络较弱，但够用：声音清楚，画面可能较小。",
  "check.line.unsteady": "网络不太稳：声音清楚，会稍晚一点，画面有时会停。",
  "check.line.sound": "网络很弱：只有声音，网络好些时会有画面。",
  "check.line.late": "网络太弱，不能直播：会晚一点听到课，内容不会漏掉。",
  "check.line.detour": "这里的网络要绕路才能直播，能上课，只是稍晚一点。",
  "check.line.busy": "学校里有好几间教室同时在检查，这次没测到网络。请过半分钟再检查一次。",
  "check.line.none": "连不上服务器。请看看网线或路由器。",
  "check.hears.yes": "教室能听到声音。",
  "check.hears.no": "没听到铃声：请调大音量，看看音箱开了没有。",
  "check.hears.unknown": "没有人回答是否听到了铃声。",
  "check.heard.yes": "教室的声音能传出去。",
  "check.heard.no": "麦克风没有声音：请看看麦克风插好没有、浏览器是否允许。听课不受影响。",
  "check.heard.thin": "麦克风正常，但上传的网络太弱：老师会听不清教室的声音。",
  "check.heard.untried": "没有试麦克风。",
  "check.heard.offline": "麦克风正常，但没有网络，声音传不出去。",
  "check.again": "再检查一次",
} as const;
