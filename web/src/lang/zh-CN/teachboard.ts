/** The volunteer's slides, board, songs and films. */

export default {
  // ---- Bar of tools ----
  "bar.slides": "课件",
  "bar.slides.hint": "课件、歌曲和影片（D）",
  "bar.board": "白板",
  "bar.board.hint": "打开白板（B）",
  "bar.board.hint.back": "回到摄像头画面（B）",
  // In the head of the lesson, beside the clock; then what it says for some seconds.
  "mark.moment": "做个标记",
  "mark.done": "已标记",
  "mark.hint": "在回放里标出这一刻（K）",

  // Codes of refused messages about the board, shown for some seconds at the status line.
  "error.page_full": "这一页写满了，请换一页。",
  "error.page_unknown": "这一页已经不在了。",
  "error.material_unknown": "这个文件已经移除了。",
  "error.not_playable": "它还没有处理好，过一会儿再放。",
  "error.lead_only": "这件事由主讲老师来做。",

  // ---- Stage ----
  "stage.page": "{name}，第 {at} 页，共 {of} 页",
  "stage.blank": "白板",
  "stage.slide.coming": "这一页正在打开",
  "stage.film.coming": "影片正在打开",
  // Beside the stage.
  "stage.back": "回到摄像头画面",
  "stage.next": "下一页：{at}",
  "stage.last": "这是最后一页",
  // On the corner of the own picture: makes a still of it to draw on.
  "freeze.now": "定格写画",
  "freeze.hint": "把现在的画面变成一页（F）",
  "freeze.working": "正在定格",
  "freeze.failed": "这次没有定格成功，请再试一次。",
  // Name of the page that comes of it; {time} as 14:05.
  "freeze.name": "画面 {time}",

  // ---- A second camera, over a book or a drawing ----
  // Field among the devices; {n} counts cameras without a name.
  "document.label": "实物摄像头（拍书本、画）",
  "document.none": "不用",
  "document.camera": "摄像头 {n}",
  "document.failed": "这个摄像头打不开，可能别的程序正在用。",
  // On the stage's corner: changes which camera all see large.
  "document.show": "换到实物画面",
  "document.face": "换到老师画面",

  // ---- Kind of lesson ----
  "kind.of": "这节课是",
  "kind.speech": "讲课",
  "kind.music": "音乐",
  "kind.detail": "看细节",
  "kind.motion": "看动作",
  "kind.speech.means": "声音为人声优化。",
  "kind.music.means": "声音原样传送，双声道。请戴耳机：用音箱，教室会听到回声。",
  "kind.detail.means": "画面更清楚，动得慢一些：适合画画、实验。",
  "kind.motion.means": "动作更流畅：适合体育、舞蹈。",

  // ---- Drawer of materials ----
  "mat.title": "课件、歌曲和影片",
  "mat.add": "添加文件",
  "mat.add.what": "PDF、图片、PPT、Word、歌曲、影片，可以一次选几个，也可以拖进来。",
  "mat.open": "查看或添加",
  // Before the lesson: what there is.
  "mat.count.none": "现在加好，教室会提前下载，上课时翻页不用等。",
  "mat.count.ready": "{count} 个已就绪",
  "mat.count.working": "{count} 个正在处理",
  "mat.count.join": "，",
  // A file on its way to the server.
  "mat.waits": "排队等待上传",
  "mat.sending": "正在上传 {percent}%",
  "mat.sending.name": "正在上传 {name}",
  "mat.cancel": "取消",
  "mat.dismiss": "知道了",
  // A file on the server.
  "mat.pages": "{count} 页",
  "mat.working": "正在处理",
  "mat.working.pages": "正在处理，已好 {done} / {total} 页",
  "mat.working.percent": "正在处理 {done}%",
  // How far the classrooms are with downloading it.
  "mat.ready.all": "全部 {count} 个教室都已下载好",
  "mat.ready.some": "{all} 个教室中 {have} 个已下载好",
  "mat.ready.under": "教室正在下载，最快的到 {percent}%",
  "mat.ready.none": "{count} 个教室还没开始下载",
  "mat.show": "放上讲台",
  "mat.thumbs": "看各页",
  "mat.thumb": "第 {at} 页",
  "mat.thumb.drawn": "第 {at} 页，有笔迹",
  "mat.remove": "移除",
  "mat.remove.name": "移除 {name}",
  "mat.remove.ask": "从这节课移除？",
  "mat.keep": "留着",
  "mat.earlier": "用以前用过的",
  "mat.earlier.use": "用这个",
  // Why a file could not be used.
  "mat.problem.file_broken": "这个文件打不开，可能已经损坏。请重新导出后再传。",
  "mat.problem.file_encrypted": "这个文件有密码。请去掉密码后再传。",
  "mat.problem.too_many_pages": "页数太多了。请拆成几个文件。",
  "mat.problem.too_large": "文件太大了。请压缩，或拆成几个文件。",
  "mat.problem.too_long": "时间太长了。请剪短后再传。",
  "mat.problem.took_too_long": "处理这个文件花的时间太久，已停下。请换一种格式，比如 PDF。",
  "mat.problem.kind_unknown": "这种文件用不了。可以用 PDF、图片、歌曲或影片。",
  "mat.problem.office_not_installed": "这台服务器打不开 Office 文件。请另存为 PDF 再传。",
  "mat.problem.interrupted": "处理到一半中断了。请再传一次。",
  "mat.problem.disk_full": "服务器的硬盘满了，请告诉管理员。",
  "mat.problem.disk_error": "服务器的硬盘出了问题，请告诉管理员。",
  "mat.problem.too_many_materials": "这节课的文件够多了。请先移除几个。",
  "mat.problem.materials_full": "这节课的文件加起来太大了。请先移除几个。",
  "mat.problem.too_many_uploads": "现在上传的人太多，请过一会儿再试。",
  "mat.problem.not_ready": "它在那节课里还没处理好。",
  "mat.problem.not_found": "那节课的文件已经不在了，请重新上传。",
  "mat.problem.lesson_unknown": "那节课已经删除了，请重新上传。",
  "mat.problem.network": "网络断了，没有传完。",
  "mat.problem.other": "没有成功，请再试一次。",

  // ---- Player of songs and films ----
  "player.name": "正在放：{name}",
  "player.play": "播放",
  "player.pause": "暂停",
  "player.seek": "播放位置",
  "player.at": "{at}，共 {of}",
  "player.sound.on": "您这里有声音",
  "player.sound.off": "您这里静音",
  "player.close": "收起并停止",
  // The browser refused to play without a press.
  "player.refused": "点一下，您这里才有声音",
  "player.echo": "每个教室自己播放。您用音箱又开着麦克风时，学生会听到两遍：请戴耳机，或先静音。",
  "player.echo.mute": "麦克风静音",
} as const;
