import { defineConfig } from "vitest/config";
import { openingOrder, SHARED } from "./scripts/opening.ts";
import { serviceWorker } from "./scripts/service_worker.ts";

/** What old school computers run: Chromium 80 (2020, the last on many smart boards), Firefox 100, Safari 14. */
const browsers = ["chrome80", "firefox100", "safari14"];

export default defineConfig({
  base: "/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  plugins: [openingOrder(), serviceWorker()],
  build: {
    target: browsers,
    cssTarget: browsers,
    outDir: "../src/liveclass/web",
    emptyOutDir: true,
    assetsDir: "assets",
    // Everything is a file of its own, so that the server's Content-Security-Policy can forbid inline content.
    assetsInlineLimit: 0,
    // Every target loads `<link rel=modulepreload>` or ignores it harmlessly; the polyfill would be weight for nothing.
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: { index: "index.html", teach: "teach.html", class: "class.html", replay: "replay.html", report: "report.html", sw: "src/sw/sw.ts" },
      // A service worker's address must not change, and its folder bounds what it may serve.
      output: {
        entryFileNames: ({ name }) => (name === "sw" ? "sw.js" : "assets/[name]-[hash].js"),
        codeSplitting: { groups: SHARED },
      },
    },
  },
  test: { include: ["src/**/*.test.ts", "src/**/*.test.tsx"], environment: "node" },
});
