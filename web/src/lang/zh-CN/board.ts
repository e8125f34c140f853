/** Blackboard: what who draws reads. */

export default {
  // Groups of the palette, for screen readers.
  "board.tools": "工具",
  "board.colors": "颜色",
  "board.sizes": "粗细",
  "board.history": "撤销和重做",
  "board.pages": "页面",
  // Under the icons, two or three characters.
  "board.tool.pen": "笔",
  "board.tool.highlighter": "荧光笔",
  "board.tool.eraser": "橡皮",
  "board.tool.line": "直线",
  "board.tool.rectangle": "方框",
  "board.tool.ellipse": "圆圈",
  "board.tool.text": "文字",
  "board.tool.laser": "激光笔",
  "board.undo": "撤销",
  "board.redo": "重做",
  // Names of colours and widths, read out and shown on hover.
  "board.color.black": "黑色",
  "board.color.blue": "蓝色",
  "board.color.red": "红色",
  "board.color.green": "绿色",
  "board.color.yellow": "黄色",
  "board.color.pink": "粉色",
  "board.size.thin": "细",
  "board.size.medium": "中",
  "board.size.thick": "粗",
  // Pages: buttons, what is read out when one is turned, words under icons.
  "board.previous": "上一页",
  "board.next": "下一页",
  "board.at": "第 {at} 页，共 {of} 页",
  "board.new": "加一页白板",
  "board.new.word": "加一页",
  "board.clear": "清空这一页",
  "board.clear.word": "清空",
  // In the place of the button that was pressed.
  "board.clear.ask": "这一页的笔迹都清掉？",
  "board.clear.yes": "清掉",
  "board.clear.no": "留着",
  // The field in which a text is written onto the page: its name, and what stands in it while it is empty.
  "board.write": "写在这里的文字",
  "board.write.hint": "打字，按回车写上",
} as const;
