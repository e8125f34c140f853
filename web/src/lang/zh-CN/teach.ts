/** What the volunteer reads. */

export default {
  // Button that copies a link; then what it says for two seconds after.
  copy: "复制链接",
  copied: "已复制",
  // Browser tab before the lesson's title is known.
  "title.teach": "上课（教师）",
  // Codes of refused messages, shown for some seconds at the status line.
  "error.too_many_called": "同时发言的教室已经够多了，请先结束一个。",
  "error.too_many_teachers": "这节课已有两位老师在讲，您可以旁听。",
  "error.participant_offline": "这个教室现在不在线，等它回来再请发言。",
  "error.participant_unknown": "这个教室已经离开课堂了。",
  "error.lesson_not_live": "现在没有在上课，请先开始上课。",
  "error.not_a_classroom": "这个操作只能用于教室。",
  "error.name_empty": "名字里要有文字或数字。",
  "error.other": "刚才的操作没有成功，请再试一次。",

  // ---- State of the connection (status line); a clock may follow ----
  "net.lost": "网络断了，正在自动重连",
  "net.media.teach": "您的声音和画面正在恢复传送",

  // ---- Before the lesson ----
  "pre.heading": "准备上课",
  // Under the preview: what the picture is.
  "pre.preview": "学生会看到这样的画面",
  "pre.nocamera": "没有摄像头画面：用声音和屏幕也能上课。",
  // Beside the level meter.
  "pre.level": "说句话，绿条会动",
  "pre.level.silent": "听不到您的声音，请检查麦克风",
  "pre.level.good": "听到了，声音正常",
  // Who is waiting.
  "pre.waiting.title": "已到的教室",
  "pre.waiting.none": "还没有教室进来。把教室链接发给学校，打开就能听课。",
  "pre.waiting.count": { other: "{count} 个教室已到" },
  "pre.here": "已到",
  "pre.away": "暂时离线",
  // The one button, and the line under it.
  "pre.start": "开始上课",
  // The same button where another volunteer has started the lesson already.
  "pre.join": "加入课堂",
  // Under "join".
  "pre.join.text": "已经开始上课了。",
  "pre.start.recording": "一开始上课就自动录制。",
  "pre.start.recording.classrooms": "一开始上课就自动录制，被点名的教室也会录下来。",
  // In their place where this server records nothing.
  "pre.start.norecording": "这节课不录制。",
  "pre.starts": "上课时间 {time}",

  // ---- Devices: what is wrong and the way on ----
  "media.ask": "浏览器会问能否使用麦克风和摄像头，请按“允许”。",
  "media.refused": "浏览器没有允许使用麦克风和摄像头。",
  "media.refused.microphone": "浏览器没有允许使用麦克风。",
  "media.refused.camera": "浏览器没有允许使用摄像头。用声音也能上课。",
  // How to allow, by browser.
  "media.howto.chromium": "点地址栏左边的图标，把麦克风和摄像头改成“允许”，再按“重试”。",
  "media.howto.firefox": "点地址栏左边的摄像头图标，去掉“已阻止”，再按“重试”。",
  "media.howto.safari": "打开 Safari 菜单“此网站的设置”，把摄像头和麦克风改成“允许”，再按“重试”。",
  "media.retry": "重试",
  "media.notfound.microphone": "没有找到麦克风。请插上耳机或麦克风，会自动使用。",
  "media.notfound.camera": "没有找到摄像头：用声音和屏幕也能上课。",
  "media.busy": "麦克风或摄像头正被别的程序使用，关掉那个程序后按“重试”。",
  "media.insecure": "这个地址不是 https，浏览器不让用麦克风和摄像头。请用 https 开头的链接打开。",
  "media.unplugged.microphone": "麦克风断开了，学生现在听不到您。插好后会自动恢复。",
  "media.unplugged.camera": "摄像头断开了，声音正常。插好后会自动恢复。",
  "media.screen.failed": "没有共享成功。请再按一次“屏幕”，选择要共享的窗口。",

  // ---- In the lesson ----
  // Beside the red dot: the clock follows.
  "teach.live": "直播并录制中",
  "teach.live.norecording": "直播中，未录制",
  // Announced with the clock (screen readers).
  "teach.elapsed": "已上课 {time}",
  "teach.recording.problem.disk_full": "服务器硬盘已满，录制停了。课照常进行，请告诉管理员。",
  "teach.recording.problem.other": "录制停了。课照常进行，请告诉管理员。",
  "teach.classrooms": "教室",
  "teach.controls": "上课工具",
  "teach.self": "您自己的画面",
  "teach.you": "您",
  // Stage without a picture.
  "teach.stage.voice": "摄像头关着，学生听您讲",
  "teach.stage.screen": "正在共享屏幕",
  // Under the picture of a classroom that speaks.
  "teach.other": "{name}正在发言",
  // Bottom bar: word under each icon; the state is said by the icon and `pressed`.
  "bar.microphone.on": "麦克风开",
  "bar.microphone.off": "已静音",
  "bar.microphone.hint": "按 M 开关麦克风；按住空格键说话",
  "bar.camera.on": "摄像头开",
  "bar.camera.off": "摄像头关",
  "bar.screen.start": "共享屏幕",
  "bar.screen.stop": "停止共享",
  "bar.settings": "设备",
  "bar.end": "下课",
  "bar.ptt": "松开空格键就静音",
  "bar.muted": "您已静音，学生听不到。按 M 打开。",
  // A classroom's tile. What it receives now, in one sentence.
  "tile.good": "听得清，看得见",
  "tile.good.sound": "听得清",
  "tile.picture.weak": "听得清，画面有点卡",
  "tile.picture.none": "听得清，没有画面，网络较弱",
  "tile.sound.weak": "声音断断续续，网络较弱",
  "tile.sound.none": "听不到您",
  "tile.nothing": "听不到也看不到，正在恢复",
  "tile.silent": "您的麦克风没有声音传出",
  "tile.waiting": "已准备好",
  "tile.offline": "网络断了，正在自动重连",
  "tile.called": "正在发言",
  "tile.called.muted": "在台上，已静音",
  "tile.called.opening": "正在打开麦克风",
  "tile.call": "请发言",
  "tile.call.name": "请{name}发言",
  "tile.endcall": "结束发言",
  "tile.endcall.name": "结束{name}的发言",
  "tile.mute": "静音",
  "tile.mute.name": "把{name}静音",
  "tile.unmute": "取消静音",
  "tile.unmute.name": "取消{name}的静音",
  // The same, where the room's network decides what it gets.
  "tile.rung.reduced": "听得清，画面较小",
  "tile.rung.screen": "网络较弱，只有声音和屏幕",
  "tile.rung.sound": "网络较弱，只有声音",
  // Sound only though the network could carry more: the room saves data.
  "tile.rung.sound.chosen": "现在只听声音",
  "tile.rung.sound.saves": "教室在节省流量，只听声音",
  "tile.rung.thin": "网络很弱，只保声音",
  "tile.rung.reconnecting": "断开了，正在自动重连",
  // A room that plays what it missed, and the button that ends it.
  "tile.behind.seconds": { other: "正在补看，落后 {count} 秒" },
  "tile.behind.minutes": { other: "正在补看，落后 {count} 分钟" },
  "tile.jump": "跳到直播",
  "tile.jump.name": "让{name}跳到直播",
  // One press deeper: names and figures of a room's line.
  "rung.full": "完整画面",
  "rung.reduced": "小画面",
  "rung.screen": "只有屏幕",
  "rung.sound": "只有声音",
  "rung.thin": "省流声音",
  "rung.reconnecting": "正在重连",
  "figure.rung": "收到",
  "figure.link": "线路可达",
  "figure.receives": "实际接收",
  "figure.loss": "丢包",
  "figure.delay": "延迟",
  "figure.behind": "落后",
  "figure.used": "已用流量",
  "figure.kbps": "{kbps} kbit/s",
  "figure.percent": "{percent}%",
  "figure.seconds": "{seconds} 秒",
  "figure.mb": "{mb} MB",
  // Under the own level: the volunteer's own uplink.
  "uplink.good": "这里的网络很好",
  "uplink.small": "网络较弱，发出的画面较小",
  "uplink.nocamera": "网络较弱，您的画面已暂停，声音正常",
  "uplink.voice": "网络很弱，只发送您的声音",
  "strip.summary.good": { other: "{count} 个教室都听得清" },
  "strip.summary.mixed": "{good} / {count} 个教室听得清",
  // After it, and what stands between them.
  "strip.summary.away": { other: "{count} 个正在重连" },
  "strip.summary.behind": { other: "{count} 个在补看" },
  "strip.summary.join": "，",
  "strip.away": "教室都暂时离线，正在自动重连",
  "strip.none": "还没有教室进来",
  // Ending.
  "end.ask": "现在下课吗？",
  "end.ask.text": "所有教室都会看到“下课了”，录制同时结束。",
  "end.confirm": "下课",
  "end.cancel": "继续上课",
  "end.waiting": "网络一恢复就下课",
  "end.done": "下课了，辛苦了",
  "end.replay": "回放现在就能看：",
  "end.norecording": "这节课没有录制。",
  "end.report": "看课后小结：谁来了、收到了什么、答得怎样",
} as const;
