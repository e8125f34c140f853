/** What the classroom and the volunteer both read. */

export default {
  // Button that closes a menu or a notice.
  close: "关闭",

  // ---- A page that cannot work: title, then one sentence with a way on ----
  "error.replaced.title": "这节课已在另一个窗口打开",
  "error.replaced.text": "同一台电脑只用一个窗口就够了。要在这里继续，请按下面的按钮。",
  "error.replaced.here": "在这里继续",
  "error.browser.title": "这个浏览器不能看直播",
  "error.browser.text": "回放可以看。看直播请换用较新的 Chrome、Edge、Firefox 或 Safari。",
  "error.browser.replay": "看回放",
  "error.full.title": "这节课的人数已满",
  "error.full.text": "有人离开后会自动进入，请把页面开着。",

  // ---- State of the connection (status line); a clock may follow ----
  "net.connecting": "正在连接",
  "net.signalling": "正在恢复与服务器的联系，声音和画面不受影响",

  // ---- Devices ----
  // Name of the level meter (screen readers).
  "device.level": "麦克风音量",
  // Device choice.
  "device.camera": "摄像头",
  "device.microphone": "麦克风",
  "device.speaker": "扬声器",
  "device.none": "不使用",
  "device.default": "系统默认",
  "device.numbered": "设备 {number}",
} as const;
