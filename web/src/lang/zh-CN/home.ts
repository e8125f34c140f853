/** The home page. */

export default {
  "home.title": "liveclass 直播课堂",
  "home.text": "网络再弱，也能上课。请打开您收到的课程链接。",
  "home.links": "链接有三种：老师上课用一个，教室听课用一个，看回放用一个。没有链接，请问学校或项目办公室。",
} as const;
