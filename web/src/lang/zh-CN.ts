/** Chinese as a village teacher would say it. Written first: its keys are the keys, and the comment above each key says
 * where the text stands. `{name}` is filled in; texts that count take `count`. */

export default {
  tag: "zh-CN",
  name: "中文",
  texts: {
    // ---- Shared by all pages ----
    // Label of the language switch (screen readers).
    language: "语言",
    // Button that closes a menu or a notice.
    close: "关闭",
    // Button that copies a link; then what it says for two seconds after.
    copy: "复制链接",
    copied: "已复制",
    // Browser tab before the lesson's title is known.
    "title.teach": "上课（教师）",
    "title.class": "教室",
    "title.replay": "课程回放",

    // ---- Home page ----
    "home.title": "liveclass 直播课堂",
    "home.text": "网络再弱，也能上课。请打开您收到的课程链接。",
    "home.links": "链接有三种：老师上课用一个，教室听课用一个，看回放用一个。没有链接，请问学校或项目办公室。",

    // ---- A page that cannot work: title, then one sentence with a way on ----
    "error.link.title": "这个链接已失效",
    "error.link.text": "请向学校或项目办公室要一个新的链接。",
    "error.replaced.title": "这节课已在另一个窗口打开",
    "error.replaced.text": "同一台电脑只用一个窗口就够了。要在这里继续，请按下面的按钮。",
    "error.replaced.here": "在这里继续",
    "error.browser.title": "这个浏览器不能看直播",
    "error.browser.text": "回放可以看。看直播请换用较新的 Chrome、Edge、Firefox 或 Safari。",
    "error.browser.replay": "看回放",
    "error.full.title": "这节课的人数已满",
    "error.full.text": "有人离开后会自动进入，请把页面开着。",
    // Codes of refused messages, shown for some seconds at the status line.
    "error.too_many_called": "同时发言的教室已经够多了，请先结束一个。",
    "error.too_many_teachers": "这节课已有两位老师在讲，您可以旁听。",
    "error.participant_offline": "这个教室现在不在线，等它回来再请发言。",
    "error.name_empty": "名字里要有文字或数字。",
    "error.other": "刚才的操作没有成功，请再试一次。",

    // ---- State of the connection (status line of both live pages); a clock may follow ----
    "net.connecting": "正在连接",
    "net.lost": "网络断了，正在自动重连",
    "net.lost.class": "网络断了，正在自动重连",
    "net.signalling": "正在恢复与服务器的联系，声音和画面不受影响",
    "net.media": "声音和画面正在恢复",
    "net.media.teach": "您的声音和画面正在恢复传送",

    // ---- Teach: before the lesson ----
    // Placeholder title when the lesson has none.
    "lesson.untitled": "未命名的课",
    "pre.heading": "准备上课",
    // Under the preview: what the picture is.
    "pre.preview": "学生会看到这样的画面",
    "pre.nocamera": "没有摄像头画面：用声音和屏幕也能上课。",
    // Beside the level meter.
    "pre.level": "说句话，绿条会动",
    "pre.level.silent": "听不到您的声音，请检查麦克风",
    "pre.level.good": "听到了，声音正常",
    "pre.level.name": "麦克风音量",
    // Device choice.
    "device.camera": "摄像头",
    "device.microphone": "麦克风",
    "device.speaker": "扬声器",
    "device.none": "不使用",
    "device.default": "系统默认",
    "device.numbered": "设备 {number}",
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

    // ---- Teach: in the lesson ----
    // Beside the red dot: the clock follows.
    "teach.live": "直播并录制中",
    "teach.live.norecording": "直播中，未录制",
    // Announced with the clock (screen readers).
    "teach.elapsed": "已上课 {time}",
    "teach.recording.problem.disk_full": "服务器硬盘已满，录制停了。课照常进行，请告诉管理员。",
    "teach.recording.problem.other": "录制停了。课照常进行，请告诉管理员。",
    // Names of regions (screen readers), some shown as headings.
    "teach.stage": "主画面",
    "teach.classrooms": "教室",
    "teach.controls": "上课工具",
    "teach.self": "您自己的画面",
    "teach.you": "您",
    // Stage without a picture.
    "teach.stage.voice": "摄像头关着，学生听您讲",
    "teach.stage.screen": "正在共享屏幕",
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
    "tile.figures": "延迟 {delay} 毫秒 · {kbps} kbit/s · 丢包 {loss}%",
    "tile.figures.name": "显示网络数据",
    "strip.summary.good": { other: "{count} 个教室都听得清" },
    "strip.summary.mixed": "{good} / {count} 个教室听得清",
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

    // ---- Classroom: before entering ----
    "class.enter": "进入教室",
    "class.enter.text": "按一下打开声音。以后会自动接通，不用再按。",
    "class.enter.devices": "浏览器会问能否用麦克风和摄像头：点名发言时才会打开。",
    // ---- Classroom: waiting ----
    "class.waiting": "等待上课",
    "class.waiting.auto": "老师一开始，这里会自动播放。",
    "class.starts": "上课时间",
    "class.starts.in": "还有",
    // ---- Classroom: in the lesson ----
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
    "class.other": "{name}正在发言",
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
    "menu.volume": "音量",
    "menu.leave": "离开课堂",
    "menu.left": "已离开课堂",
    "menu.back": "回到课堂",
    // ---- Classroom: after ----
    "class.ended": "下课了",
    "class.ended.thanks": "谢谢大家，下次见。",

    // ---- Replay page ----
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
  },
} as const;
