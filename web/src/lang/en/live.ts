import type { Translated } from "../../lib/i18n";
import type chinese from "../zh-CN/live";

export default {
  close: "Close",

  // ---- A page that cannot work ----
  "error.replaced.title": "The lesson is open in another window",
  "error.replaced.text": "One window on this computer is enough. To go on in this one, press the button.",
  "error.replaced.here": "Go on here",
  "error.browser.title": "This browser cannot show live lessons",
  "error.browser.text": "The replay will work. For live, please use a newer Chrome, Edge, Firefox or Safari.",
  "error.browser.replay": "Watch the replay",
  "error.full.title": "This lesson is full",
  "error.full.text": "Keep this page open: it goes in by itself when someone leaves.",

  // ---- State of the connection ----
  "net.connecting": "Connecting",
  "net.signalling": "Getting the server back. Sound and picture go on",

  // ---- Devices ----
  "device.level": "Microphone level",
  "device.camera": "Camera",
  "device.microphone": "Microphone",
  "device.speaker": "Speaker",
  "device.none": "None",
  "device.default": "System default",
  "device.numbered": "Device {number}",
} satisfies Translated<typeof chinese>;
