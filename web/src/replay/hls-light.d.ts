/** The light build (no subtitles, no DRM, no alternate audio) has the types of the whole one. */
declare module "hls.js/light" {
  export { default } from "hls.js";
  export * from "hls.js";
}
